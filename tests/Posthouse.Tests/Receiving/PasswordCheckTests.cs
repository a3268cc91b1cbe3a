using Posthouse.Plugs;
using Posthouse.Server.Native;
using Posthouse.Server.Receiving;

namespace Posthouse.Tests.Receiving;

public sealed class PasswordCheckTests
{
    private static readonly string s_hash = CryptPassword.Compute("right", "$5$rounds=1000$0123456789abcdef$")!;

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("bare", "right", true)]
    [InlineData("bare", "wrong", false)]
    [InlineData("named", "right", true)]
    [InlineData("named", "", false)]
    [InlineData("locked", "right", false)]
    [InlineData("empty", "", false)]
    [InlineData("stranger", "right", false)]
    [InlineData("", "right", false)]
    [InlineData("bare\n", "right", false)]
    [InlineData("bare", "right\r", false)]
    public async Task Hashes_are_checked_with_and_without_the_users_name_before_them(string user, string password, bool expected) =>
        Assert.Equal(expected, await new PasswordCheck(new Credentials()).IsRightAsync(user, password, Token));

    [Fact]
    public async Task A_table_that_fails_says_nothing_about_the_password() =>
        Assert.Null(await new PasswordCheck(new Credentials()).IsRightAsync("broken", "right", Token));

    [Theory]
    [InlineData("user", "right", true)]
    [InlineData("user", "wrong", false)]
    [InlineData("us:er", "right", false)]
    [InlineData("user", "right\nauth|1|user:right", false)]
    [InlineData("broken", "right", null)]
    public async Task A_table_that_checks_by_itself_is_asked(string user, string password, bool? expected) =>
        Assert.Equal(expected, await new PasswordCheck(new Checking()).IsRightAsync(user, password, Token));

    private sealed class Credentials : ITable
    {
        public bool Supports(TableService service) => service == TableService.Credentials;

        public ValueTask<TableResult> CheckAsync(TableService service, string key, CancellationToken cancellation = default) => new(TableResult.NotFound);

        public ValueTask<TableResult> LookupAsync(TableService service, string key, CancellationToken cancellation = default) => new(key switch
        {
            "bare" => TableResult.Found(s_hash),
            "named" => TableResult.Found($"named:{s_hash}"),
            "locked" => TableResult.Found($"*{s_hash}"),
            "empty" => TableResult.Found(""),
            "broken" => TableResult.Error("no database"),
            _ => TableResult.NotFound,
        });

        public ValueTask<TableResult> FetchAsync(TableService service, CancellationToken cancellation = default) => new(TableResult.NotFound);

        public ValueTask<TableResult> UpdateAsync(CancellationToken cancellation = default) => new(TableResult.Found());

        public ValueTask DisposeAsync() => default;
    }

    private sealed class Checking : ITable
    {
        public bool Supports(TableService service) => service == TableService.Auth;

        public ValueTask<TableResult> CheckAsync(TableService service, string key, CancellationToken cancellation = default) => new(key switch
        {
            "user:right" => TableResult.Found(),
            "broken:right" => TableResult.Error("no database"),
            _ => TableResult.NotFound,
        });

        public ValueTask<TableResult> LookupAsync(TableService service, string key, CancellationToken cancellation = default) => new(TableResult.NotFound);

        public ValueTask<TableResult> FetchAsync(TableService service, CancellationToken cancellation = default) => new(TableResult.NotFound);

        public ValueTask<TableResult> UpdateAsync(CancellationToken cancellation = default) => new(TableResult.Found());

        public ValueTask DisposeAsync() => default;
    }
}

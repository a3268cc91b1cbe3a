using Microsoft.Extensions.Logging.Abstractions;
using Posthouse.Server.Native;
using Posthouse.Server.Processes;

namespace Posthouse.Tests.Processes;

public class SystemPasswordsTests
{
    [Theory]
    [InlineData("no-such-user")]
    [InlineData("root:x")]
    [InlineData("")]
    public async Task Who_does_not_exist_has_no_password(string user)
    {
        using SystemPasswords passwords = new(TimeProvider.System, NullLogger.Instance);
        Assert.Equal(PasswordVerdict.Refused, await passwords.CheckAsync(user, "x", TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task Only_root_can_tell_a_wrong_password()
    {
        using SystemPasswords passwords = new(TimeProvider.System, NullLogger.Instance);
        PasswordVerdict verdict = await passwords.CheckAsync("root", "not the password\u0001", TestContext.Current.CancellationToken);
        Assert.Equal(SystemAccounts.IsRoot ? PasswordVerdict.Refused : PasswordVerdict.Unavailable, verdict);
    }
}

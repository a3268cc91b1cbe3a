using Microsoft.Extensions.Time.Testing;
using Posthouse.Plugs;
using Posthouse.Server.Tables;

namespace Posthouse.Tests.Tables;

public sealed class FileTableTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly FakeTimeProvider _time = new();

    private TableOptions Options => new() { Time = _time, ServerName = "mx.example.org" };

    public void Dispose() => _folder.Dispose();

    private static ValueTask<TableResult> Alias(ITable table, string key) => table.LookupAsync(TableService.Alias, key, TestContext.Current.CancellationToken);

    private static ValueTask<TableResult> Update(ITable table) => table.UpdateAsync(TestContext.Current.CancellationToken);

    [Fact]
    public async Task An_update_reads_the_file_again_and_a_bad_file_changes_nothing()
    {
        string path = _folder.Write("t", "root joe\n");
        await using FileTable table = new("t", path, Options);
        Assert.Equal(TableStatus.Error, (await Alias(table, "root")).Status);
        Assert.True((await Update(table)).IsFound);
        Assert.Equal("joe", (await Alias(table, "Root")).Value);

        _folder.Write("t", "root jane\nlonely\n");
        TableResult result = await Update(table);
        Assert.Equal(TableStatus.Error, result.Status);
        Assert.Contains($"{path}:2:7: expected a value", result.Value, StringComparison.Ordinal);
        Assert.Equal("joe", (await Alias(table, "root")).Value);

        _folder.Write("t", "root jane\n");
        await Update(table);
        Assert.Equal("jane", (await Alias(table, "root")).Value);
    }

    [Fact]
    public async Task A_replaced_file_is_seen_within_a_second_of_use()
    {
        await using FileTable table = new("t", _folder.Write("t", "root joe\n"), Options);
        await Update(table);
        _folder.Write("t", "root somebody\n");
        Assert.Equal("joe", (await Alias(table, "root")).Value);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal("somebody", (await Alias(table, "root")).Value);

        File.Delete(_folder["t"]);
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal("somebody", (await Alias(table, "root")).Value);
    }

    [Fact]
    public async Task A_database_answers_as_its_text_did_and_is_opened_again_when_replaced()
    {
        string text = _folder.Write("aliases", "Root: joe, jane\nlist: :include:/x\n"), path = _folder["aliases.db"];
        Assert.Empty(TableDatabase.Build(TableSourceText.Read(text, TableSourceType.Aliases), path));
        await using DatabaseTable table = new("aliases", path, Options);
        Assert.Equal("joe, jane", (await Alias(table, "root")).Value);
        Assert.Equal(TableStatus.NotFound, (await Alias(table, "nobody")).Status);
        Assert.Equal([new("list", ":include:/x"), new("Root", "joe, jane")], TableDatabase.Dump(path));

        _folder.Write("aliases", "root: new\n");
        TableDatabase.Build(TableSourceText.Read(text, TableSourceType.Aliases), path);
        _time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal("new", (await Alias(table, "root")).Value);
        Assert.Equal(["aliases", "aliases.db"], Directory.GetFiles(Path.GetDirectoryName(path)!).Select(Path.GetFileName).Order());
    }

    [Fact]
    public async Task A_database_of_keys_matches_patterns()
    {
        TableSourceText keys = TableSourceText.Parse("*.example.org\n10.0.0.0/8\n::1\n@example.net\n"u8, "/k", TableSourceType.Set);
        Assert.Empty(TableDatabase.Build(keys, _folder["k.db"]));
        await using DatabaseTable table = new("k", _folder["k.db"], Options);
        Assert.True((await table.CheckAsync(TableService.Domain, "a.example.org", TestContext.Current.CancellationToken)).IsFound);
        Assert.True((await table.CheckAsync(TableService.NetAddr, "::1", TestContext.Current.CancellationToken)).IsFound);
        Assert.True((await table.CheckAsync(TableService.MailAddr, "x@example.net", TestContext.Current.CancellationToken)).IsFound);
        Assert.False((await table.CheckAsync(TableService.NetAddr, "11.0.0.1", TestContext.Current.CancellationToken)).IsFound);
    }

    [Fact]
    public async Task A_file_that_makemap_did_not_build_is_an_error()
    {
        await using DatabaseTable table = new("t", _folder.Write("t.db", new string('x', 4096)), Options);
        Assert.Contains("not a database made by makemap", (await Alias(table, "root")).Value, StringComparison.Ordinal);
        Assert.Equal(TableStatus.Error, (await Update(table)).Status);
        Assert.Throws<IOException>(() => TableDatabase.Dump(_folder["t.db"]));
    }

    [Fact]
    public void A_database_is_not_built_from_duplicates_or_malformed_aliases()
    {
        TableSourceText text = TableSourceText.Parse("root: joe\nRoot: jane\nlist: two words\n"u8, "/a", TableSourceType.Aliases);
        Assert.Equal(["/a:2:1", "/a:3:1"], text.Errors.Select(error => error.ToString()[..6]));
        Assert.Equal(2, TableDatabase.Build(text, _folder["a.db"]).Count);
        Assert.False(File.Exists(_folder["a.db"]));
    }

    [Fact]
    public async Task Passwd_files_give_users_and_check_passwords()
    {
        string hash = Posthouse.Server.Native.CryptPassword.Compute("secret", "$6$saltsalt$") ?? "";
        Assert.NotEmpty(hash);
        string path = _folder.Write("passwd", $"# users\njoe:{hash}:1000:1001:Joe:/home/joe:/bin/sh\nBob:x:1:2::0:0:Bob:/home/bob:/bin/sh\n");
        await using PasswdTable table = new("p", path, Options);
        Assert.True((await Update(table)).IsFound);
        Assert.Equal("1000:1001:/home/joe", (await table.LookupAsync(TableService.UserInfo, "joe", TestContext.Current.CancellationToken)).Value);
        Assert.Equal("1:2:/home/bob", (await table.LookupAsync(TableService.UserInfo, "Bob", TestContext.Current.CancellationToken)).Value);
        Assert.Equal($"joe:{hash}", (await table.LookupAsync(TableService.Credentials, "joe", TestContext.Current.CancellationToken)).Value);
        Assert.True((await table.CheckAsync(TableService.Auth, "joe:secret", TestContext.Current.CancellationToken)).IsFound);
        Assert.False((await table.CheckAsync(TableService.Auth, "joe:SECRET", TestContext.Current.CancellationToken)).IsFound);
        Assert.False((await table.CheckAsync(TableService.Auth, "nobody:x", TestContext.Current.CancellationToken)).IsFound);

        _folder.Write("passwd", "joe:x:a:1:Joe:/home/joe:/bin/sh\n");
        Assert.Equal(TableStatus.Error, (await Update(table)).Status);
    }

    [Theory]
    [InlineData("joe\nroot")]
    [InlineData("joe\r")]
    [InlineData("joe:x\nlookup|userinfo")]
    public async Task CVE_2026_newline_in_a_user_name_reaches_no_other_entry(string user)
    {
        string path = _folder.Write("passwd", "root:x:0:0:root:/root:/bin/sh\njoe:x:1000:1000:Joe:/home/joe:/bin/sh\n");
        await using PasswdTable passwd = new("p", path, Options);
        await Update(passwd);
        Assert.Equal(TableStatus.NotFound, (await passwd.LookupAsync(TableService.UserInfo, user, TestContext.Current.CancellationToken)).Status);
        await using SystemUsersTable system = new(Options);
        Assert.Equal(TableStatus.NotFound, (await system.LookupAsync(TableService.UserInfo, user, TestContext.Current.CancellationToken)).Status);
    }

    [Fact]
    public async Task System_users_are_found()
    {
        await using SystemUsersTable table = new(Options);
        Assert.Equal("0:0:/root", (await table.LookupAsync(TableService.UserInfo, "root", TestContext.Current.CancellationToken)).Value);
        Assert.Equal(TableStatus.NotFound, (await table.LookupAsync(TableService.UserInfo, "no-such-user-here", TestContext.Current.CancellationToken)).Status);
        await using SystemUsersTable broken = new(Options with { FindAccount = _ => new(null, "broken") });
        Assert.Equal(TableStatus.Error, (await broken.LookupAsync(TableService.UserInfo, "root", TestContext.Current.CancellationToken)).Status);
    }

    [Fact]
    public async Task A_set_opens_what_is_declared_and_says_what_it_cannot()
    {
        TableDefinition good = new("good", TableKind.Mapping, TableSource.File) { Path = _folder.Write("good", "a b\n") };
        TableDefinition bad = new("bad", TableKind.Mapping, TableSource.File) { Path = _folder["missing"] };
        TableDefinition program = new("ldap", TableKind.Dynamic, TableSource.External) { ExternalType = "ldap" };
        await using TableSet set = await TableSet.OpenAsync([good, bad, program], Options, TestContext.Current.CancellationToken);
        Assert.StartsWith("table bad: ", Assert.Single(set.Failures));
        Assert.Equal("b", (await Alias(set[good], "a")).Value);
        Assert.Equal(TableStatus.Error, (await Alias(set[bad], "a")).Status);
        Assert.Equal(TableStatus.Error, (await Alias(set[program], "a")).Status);
        Assert.Equal(TableStatus.NotFound, (await set.UpdateAsync("none", TestContext.Current.CancellationToken)).Status);
        _folder.Write("good", "a c\n");
        Assert.True((await set.UpdateAsync("good", TestContext.Current.CancellationToken)).IsFound);
        Assert.Equal("c", (await Alias(set[good], "a")).Value);

        TableDefinition localNames = TableDefinition.BuiltIn.Single(table => table.Source == TableSource.LocalNames);
        foreach (string name in (string[])["localhost", "MX.example.org", "mx", "127.0.0.1", "[127.0.0.1]", "[::1]"])
            Assert.True((await set[localNames].CheckAsync(TableService.Domain, name, TestContext.Current.CancellationToken)).IsFound, name);
        TableDefinition localHost = TableDefinition.BuiltIn.Single(table => table.Source == TableSource.LocalHost);
        Assert.True((await set[localHost].CheckAsync(TableService.NetAddr, "::1", TestContext.Current.CancellationToken)).IsFound);
        Assert.True((await set[localHost].CheckAsync(TableService.NetAddr, "local", TestContext.Current.CancellationToken)).IsFound);
        Assert.False((await set[localHost].CheckAsync(TableService.NetAddr, "192.0.2.77", TestContext.Current.CancellationToken)).IsFound);
    }
}

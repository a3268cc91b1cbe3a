using System.Collections.Frozen;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Win32.SafeHandles;
using Posthouse.Server.Configuration;
using Posthouse.Server.Delivering.Local;
using Posthouse.Server.Native;
using Posthouse.Server.Processes;
using Posthouse.Server.Tables;
using Posthouse.Tests.Tables;

namespace Posthouse.Tests.Delivering.Local;

/// <summary>Files that addresses are expanded by, asked for by the names of what the configuration holds, over the channel.</summary>
public sealed class ParentFilesTests : IAsyncLifetime
{
    private static readonly UnixFileMode s_private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private readonly TemporaryFolder _folder = new();
    private TableSet _tables = null!;
    private InProcessPrivileges _privileges = null!;
    private string _home = "";

    // Root reads as somebody else; who is not root reads as itself.
    private static uint Owner => SystemAccounts.IsRoot ? 61234 : SystemAccounts.EffectiveUser;

    public async ValueTask InitializeAsync()
    {
        Assert.Equal(0, FileDescriptor.ChangeMode(Path.GetDirectoryName(_folder["x"])!, 0x1ED /* 0755 */));
        _home = _folder["home"];
        Directory.CreateDirectory(_home, s_private);
        Assert.Equal(0, FileDescriptor.ChangeOwner(_home, Owner, Owner));
        TableDefinition users = new("users", TableKind.Mapping, TableSource.Inline) { Entries = [new("joe", $"{Owner}:{Owner}:{_home}"), new("odd", "nonsense")] };
        TableDefinition aliases = new("aliases", TableKind.Mapping, TableSource.Inline)
        {
            Entries = [new("list", $"joe, :include:{_folder.Write("members", "ann\n")}"), new("folder", $":include:{_home}"), new("gone", $":include:{_folder["missing"]}")],
        };
        ServerConfiguration configuration = new()
        {
            Actions = new DeliveryAction[]
            {
                new LocalAction { Name = "local", Method = new LocalMethod.Maildir(), Alias = aliases, Userbase = users },
                new LocalAction { Name = "plain", Method = new LocalMethod.Maildir(), Userbase = users },
                new RelayAction { Name = "relay" },
            }.ToFrozenDictionary(action => action.Name),
            Tables = new[] { users, aliases }.ToFrozenDictionary(table => table.Name),
        };
        _tables = await TableSet.OpenAsync(configuration.Tables.Values, new(), TestContext.Current.CancellationToken);
        _privileges = new(LocalSettings.For(() => new(configuration, _tables), TimeProvider.System, NullLogger.Instance), TimeProvider.System, NullLogger.Instance);
    }

    public async ValueTask DisposeAsync()
    {
        _privileges.Dispose();
        await _tables.DisposeAsync();
        _folder.Dispose();
    }

    private ValueTask<ForwardFile> ForwardAsync(string action, string user) => _privileges.ReadForwardAsync(action, user, TestContext.Current.CancellationToken);

    private void Write(string content, uint owner)
    {
        File.WriteAllText(_home + "/.forward", content);
        Assert.Equal(0, FileDescriptor.ChangeMode(_home + "/.forward", 0x180));
        Assert.Equal(0, FileDescriptor.ChangeOwner(_home + "/.forward", owner, owner));
    }

    [Fact]
    public async Task A_forward_in_a_home_that_only_its_user_may_enter_is_read()
    {
        Assert.Equal(ForwardFile.Absent, await ForwardAsync("local", "joe"));
        Write("ann, \"|cat\"\n# a comment\n", Owner);
        Assert.Equal("ann, \"|cat\"\n# a comment\n", (await ForwardAsync("local", "joe")).Content);
    }

    [Fact]
    public async Task A_forward_that_is_not_the_user_s_is_not_even_opened()
    {
        if (!SystemAccounts.IsRoot) return;
        Write("root, put here by a hard link\n", 0);
        ForwardFile file = await ForwardAsync("local", "joe");
        Assert.Null(file.Content);
        Assert.Contains("Permission denied", file.Fault!.Detail, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("relay", "joe", "action relay")]
    [InlineData("gone", "joe", "action gone")]
    [InlineData("local", "nobody", "there is no user nobody")]
    [InlineData("local", "../joe", "there is no user ../joe")]
    [InlineData("local", "odd", "table users: odd: expected uid:gid:/home")]
    public async Task What_the_configuration_does_not_hold_is_not_read(string action, string user, string why) =>
        Assert.Equal(why, (await ForwardAsync(action, user)).Fault!.Detail);

    [Fact]
    public async Task An_included_file_comes_open()
    {
        IncludedFile included = await _privileges.OpenIncludeAsync("local", "list", 1, TestContext.Current.CancellationToken);
        using SafeFileHandle file = included.File!;
        byte[] content = new byte[16];
        Assert.Equal("ann\n"u8.ToArray(), content[..RandomAccess.Read(file, content, 0)]);
        Assert.Throws<UnauthorizedAccessException>(() => RandomAccess.Write(file, content, 0));
    }

    [Theory]
    [InlineData("local", "list", 0, "list includes nothing any more")]
    [InlineData("local", "list", 2, "list includes nothing any more")]
    [InlineData("local", "other", 0, "other includes nothing any more")]
    [InlineData("local", "folder", 0, "it is not a regular file")]
    [InlineData("local", "gone", 0, "No such file or directory")]
    [InlineData("plain", "list", 1, "action plain has no aliases")]
    [InlineData("other", "list", 1, "action other has no aliases")]
    public async Task Only_what_an_alias_includes_now_is_opened(string action, string key, int index, string why)
    {
        IncludedFile included = await _privileges.OpenIncludeAsync(action, key, index, TestContext.Current.CancellationToken);
        Assert.Null(included.File);
        Assert.Equal(why, included.Fault!.Detail);
    }
}

using System.Diagnostics;
using Microsoft.Extensions.Logging.Abstractions;
using Posthouse.Server.Model;
using Posthouse.Server.Native;
using Posthouse.Server.Processes;
using Posthouse.Tests.Native;

namespace Posthouse.Tests.Processes;

/// <summary>Plugs of a server that root has started.</summary>
[Collection(ProcessCollection.Name)]
public sealed class PlugIdentityTests : IDisposable
{
    private static readonly ServerUsers s_users = new(Account("daemon"), Account("bin"), Account("nobody"), Account("sys"));

    private readonly LocalPlugStarter _starter = new(s_users, TimeProvider.System, NullLogger.Instance);

    public void Dispose() => _starter.Dispose();

    [Fact]
    public async Task It_is_the_user_for_plugs_in_no_other_group()
    {
        if (!SystemAccounts.IsRoot) return;
        string status = (await _starter.RunAsync(new("cat /proc/self/status"))).Output;
        UserAccount nobody = s_users.Plug!;
        Assert.Contains($"Uid:\t{nobody.Uid}\t{nobody.Uid}\t{nobody.Uid}\t{nobody.Uid}\n", status, StringComparison.Ordinal);
        Assert.Contains($"Gid:\t{nobody.Gid}\t{nobody.Gid}\t{nobody.Gid}\t{nobody.Gid}\n", status, StringComparison.Ordinal);
        Assert.Contains("Groups:\t \n", status, StringComparison.Ordinal);
        foreach (string set in (string[])["Inh", "Prm", "Eff", "Amb"]) Assert.Contains($"Cap{set}:\t0000000000000000\n", status, StringComparison.Ordinal);
    }

    [Fact]
    public async Task User_and_group_are_the_plugs_own_where_it_has_them()
    {
        if (!SystemAccounts.IsRoot) return;
        UserAccount games = Account("games")!;
        Assert.Equal($"{games.Uid}\n", (await _starter.RunAsync(new("id -u") { User = "games" })).Output);
        Assert.Equal($"{games.Gid}\n", (await _starter.RunAsync(new("id -G") { User = "games" })).Output);
        Assert.Equal($"{games.Uid}\n", (await _starter.RunAsync(new("id -u") { User = "games", Group = "mail" })).Output);
        Assert.Equal($"{SystemAccounts.FindGroup("mail", out _)}\n", (await _starter.RunAsync(new("id -G") { Group = "mail" })).Output);
    }

    [Theory]
    [InlineData("root", null, "user root is root")]
    [InlineData("daemon", null, "user daemon is the server's own")]
    [InlineData("bin", "mail", "user bin is the server's own")]
    [InlineData("no-such-user", null, "user no-such-user does not exist")]
    [InlineData(null, "no-such-group", "group no-such-group does not exist")]
    [InlineData("games", "no\0group", "group no\0group does not exist")]
    public async Task Who_it_may_not_be_it_is_not(string? user, string? group, string why)
    {
        if (!SystemAccounts.IsRoot) return;
        Assert.Equal(why, (await _starter.StartAsync("plug", new("true") { User = user, Group = group }, 0, CancellationToken.None)).Failure);
    }

    [Fact]
    public async Task Users_that_are_all_the_same_say_that_they_need_no_separation()
    {
        if (!SystemAccounts.IsRoot) return;
        UserAccount? nobody = Account("nobody");
        using LocalPlugStarter starter = new(new(nobody, nobody, nobody, nobody), TimeProvider.System, NullLogger.Instance);
        Assert.Equal($"{nobody!.Uid}\n", (await starter.RunAsync(new("id -u"))).Output);
        using LocalPlugStarter root = new(new(nobody, nobody, Account("root"), nobody), TimeProvider.System, NullLogger.Instance);
        Assert.Equal("user root is root", (await root.StartAsync("plug", new("true"), 0, CancellationToken.None)).Failure);
    }

    [Fact]
    public async Task Its_root_directory_is_all_that_it_sees()
    {
        if (!SystemAccounts.IsRoot) return;
        DirectoryInfo root = MakeRoot("/usr/libexec/posthouse");
        try
        {
            // Found in the directories that it sees, and beside the shell that it needs.
            PlugCommand command = new("words") { Chroot = root.FullName };
            Assert.Equal("/bin /lib /usr\n", string.Join(' ', (await _starter.RunAsync(command)).Output.Split(' ').Where(static each => each is not "/lib64")));
            string user = (await _starter.RunAsync(new("sh -c 'echo x > /file; cd /..; echo /*'") { Chroot = root.FullName })).Output;
            Assert.DoesNotContain("/etc", user, StringComparison.Ordinal);
            Assert.False(File.Exists(Path.Combine(root.FullName, "file")));

            PlugStart missing = await _starter.StartAsync("plug", new("/usr/bin/id") { Chroot = root.FullName }, 0, CancellationToken.None);
            Assert.Equal($"/usr/bin/id: execve: No such file or directory (in {root.FullName})", missing.Failure);
            PlugStart nowhere = await _starter.StartAsync("plug", new("words") { Chroot = root.FullName + "/none" }, 0, CancellationToken.None);
            Assert.Equal($"words: chroot: No such file or directory (in {root.FullName}/none)", nowhere.Failure);
        }
        finally
        {
            root.Delete(recursive: true);
        }
    }

    [Fact]
    public void Plugs_that_share_a_user_are_told()
    {
        if (!SystemAccounts.IsRoot) return;
        Dictionary<string, PlugCommand> plugs = new()
        {
            ["spam"] = new("a"),
            ["virus"] = new("b") { User = "nobody" },
            ["sign"] = new("c") { User = "games" },
            ["grey"] = new("d") { Group = "mail" },
            ["none"] = new("e") { User = "no-such-user" },
        };
        Assert.Equal(["grey, spam and virus run as nobody"], PlugSeparation.FindSharedUsers(plugs, s_users));
        Assert.Empty(PlugSeparation.FindSharedUsers(plugs, ServerUsers.None));
        plugs["grey"] = plugs["virus"] = new("b") { User = "no-such-user" };
        Assert.Empty(PlugSeparation.FindSharedUsers(plugs, s_users));
    }

    private static UserAccount? Account(string name) => SystemAccounts.Find(name, out _);

    // A shell with its libraries, and a program for it.
    private static DirectoryInfo MakeRoot(string place)
    {
        DirectoryInfo root = Directory.CreateTempSubdirectory("plug-root");
        using Process ldd = Process.Start(new ProcessStartInfo("ldd", "/bin/sh") { RedirectStandardOutput = true })!;
        IEnumerable<string> libraries = ldd.StandardOutput.ReadToEnd().Split().Where(static word => word.StartsWith('/'));
        foreach (string file in libraries.Append("/bin/sh"))
        {
            Directory.CreateDirectory(root.FullName + Path.GetDirectoryName(file));
            File.Copy(file, root.FullName + file);
        }
        Directory.CreateDirectory(root.FullName + place);
        string program = $"{root.FullName}{place}/words";
        File.WriteAllText(program, "#!/bin/sh\necho /*\n");
        const UnixFileMode Public = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;
        File.SetUnixFileMode(program, Public);
        root.UnixFileMode = Public;
        return root;
    }
}

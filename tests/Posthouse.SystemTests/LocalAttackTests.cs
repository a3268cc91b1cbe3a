using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using Posthouse.Server.Native;
using Posthouse.SystemTests.Support;

namespace Posthouse.SystemTests;

/// <summary>
/// What users of the machine plant where the server, or a delivery on their behalf, will write or read. As root the mail is delivered as the user nobody, and what
/// is to be protected is root's; otherwise everything is the same user's, and only what would be followed shows.
/// </summary>
public class LocalAttackTests
{
    private const string SocketsVariable = "POSTHOUSE_TEST_SOCKETS";
    private const int FloodSize = 400;

    private const string IntoHome = """
        listen on 127.0.0.1 port {port}
        table people { joe = "{uid}:{gid}:{home}", jane = "{uid}:{gid}:{dir}/jane" }
        action "x" maildir userbase <people>
        match from any for any action "x"
        """;

    // CVE-2015-7687 was about files of users that root opened.
    [Theory]
    [InlineData("symbolic link")]
    [InlineData("hard link")]
    [InlineData("link to shadow")]
    [InlineData("named pipe")]
    [InlineData("directory")]
    [InlineData("writable by its group")]
    [InlineData("writable by all")]
    [InlineData("somebody else's")]
    [InlineData("device")]
    public async Task A_forward_file_that_is_not_plainly_the_users_is_not_obeyed(string kind)
    {
        await using RunningServer server = await RunningServer.StartAsync(IntoHome);
        string forward = server.Home + "/.forward", other = server.Folder + "/other", pwned = server.Home + "/pwned";
        server.WriteOwn(other, $"\"|touch {pwned}\"\n");
        switch (kind)
        {
            case "symbolic link":
                File.CreateSymbolicLink(forward, other);
                break;
            case "hard link":
                await RunAsync("ln", other, forward);
                break;
            case "link to shadow":
                File.CreateSymbolicLink(forward, "/etc/shadow");
                break;
            case "named pipe":
                await RunAsync("mkfifo", "-m", "600", forward);
                break;
            case "directory":
                Directory.CreateDirectory(forward);
                break;
            case "writable by its group" or "writable by all":
                server.WriteOwn(forward, File.ReadAllText(other));
                File.SetUnixFileMode(forward, (UnixFileMode)(kind == "writable by all" ? 0b110_000_010 : 0b110_010_000));
                break;
            case "somebody else's":
                if (!SystemAccounts.IsRoot) return;
                File.WriteAllText(forward, File.ReadAllText(other));
                break;
            case "device":
                File.CreateSymbolicLink(forward, "/dev/zero");
                break;
        }

        string reply = await server.SendAsync("joe@example.com", "Subject: first\n\nbody");
        Assert.True(reply[0] is '2' or '4', reply);
        // The next user's mail comes through all the same, whatever the first one's file does to who reads it.
        Assert.Equal(0, FileDescriptor.MakeDirectory(server.Folder + "/jane", 0x1C0));
        if (SystemAccounts.IsRoot) Assert.Equal(0, FileDescriptor.ChangeOwner(server.Folder + "/jane", server.Account.Uid, server.Account.Gid));
        await server.AcceptAsync("jane@example.com");
        await server.WaitForMailAsync(server.Folder + "/jane/Maildir");
        Assert.False(File.Exists(pwned));
        Assert.Contains(server.Lines, static line => line.Contains(".forward", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("Maildir")]
    [InlineData("Maildir/new")]
    [InlineData("Maildir/tmp")]
    public async Task A_maildir_that_leads_into_anothers_directory_gives_no_way_in(string place)
    {
        if (!SystemAccounts.IsRoot) return;
        await using RunningServer server = await RunningServer.StartAsync(IntoHome);
        string victim = Directory.CreateDirectory(server.Folder + "/victim").FullName;
        foreach (string part in (string[])["tmp", "new", "cur"]) Directory.CreateDirectory($"{victim}/{part}");
        foreach (string made in Directory.GetDirectories(victim).Append(victim)) File.SetUnixFileMode(made, (UnixFileMode)0b111_101_101);
        if (place != "Maildir")
        {
            foreach (string part in (string[])["", "/tmp", "/new", "/cur"])
            {
                if ("Maildir" + part == place) continue;
                string made = Directory.CreateDirectory(server.Home + "/Maildir" + part).FullName;
                Assert.Equal(0, FileDescriptor.ChangeOwner(made, server.Account.Uid, server.Account.Gid));
            }
        }

        File.CreateSymbolicLink($"{server.Home}/{place}", place == "Maildir" ? victim : victim + place["Maildir".Length..]);
        await server.AcceptAsync("joe@example.com");
        await server.WaitForLogAsync("result=TempFail");
        Assert.Empty(Directory.GetFiles(victim, "*", SearchOption.AllDirectories));
    }

    [Theory]
    [InlineData("symbolic link")]
    [InlineData("dangling link")]
    [InlineData("hard link")]
    [InlineData("somebody else's")]
    [InlineData("named pipe")]
    [InlineData("directory")]
    public async Task A_mailbox_that_is_not_plainly_the_users_is_not_written_to(string kind)
    {
        string name = "pt" + Guid.NewGuid().ToString("N")[..12], mailbox = $"/var/mail/{name}";
        if (!SystemAccounts.IsRoot) return;
        try
        {
            await using RunningServer server = await RunningServer.StartAsync($$"""
                listen on 127.0.0.1 port {port}
                table people { {{name}} = "{uid}:{gid}:{home}" }
                action "x" mbox userbase <people>
                match from any for any action "x"
                """);
            string victim = $"/var/mail/{name}.victim";
            File.WriteAllText(victim, "precious\n");
            File.SetUnixFileMode(victim, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            switch (kind)
            {
                case "symbolic link":
                    File.CreateSymbolicLink(mailbox, victim);
                    break;
                case "dangling link":
                    File.CreateSymbolicLink(mailbox, server.Folder + "/made");
                    break;
                case "hard link":
                    await RunAsync("ln", victim, mailbox);
                    break;
                case "somebody else's":
                    File.WriteAllText(mailbox, "");
                    break;
                case "named pipe":
                    await RunAsync("mkfifo", "-m", "600", mailbox);
                    Assert.Equal(0, FileDescriptor.ChangeOwner(mailbox, server.Account.Uid, server.Account.Gid));
                    break;
                case "directory":
                    Directory.CreateDirectory(mailbox);
                    break;
            }

            await server.AcceptAsync($"{name}@example.com");
            await server.WaitForLogAsync("result=TempFail");
            Assert.Equal("precious\n", File.ReadAllText(victim));
            Assert.Equal(0, FileDescriptor.Status(victim, out FileStatus status));
            Assert.Equal((0u, 0x180u), (status.Uid, status.Permissions));
            Assert.False(File.Exists(server.Folder + "/made"));
        }
        finally
        {
            await Tool.RunAsync("rm", "-rf", mailbox, mailbox + ".victim", mailbox + ".lock");
        }
    }

    // Whoever can write to the directory that a server of root's is started on could have root give away any directory.
    [Theory]
    [InlineData("spool")]
    [InlineData("offline")]
    [InlineData("lock")]
    [InlineData("empty")]
    public async Task A_link_in_the_state_directory_is_not_followed(string name)
    {
        // Whoever serves as an ordinary user may keep the spool elsewhere: nothing is given away.
        if (!SystemAccounts.IsRoot && name is "spool" or "empty") return;
        string victim = Directory.CreateTempSubdirectory("posthouse-victim-").FullName;
        try
        {
            string file = victim + "/file";
            File.WriteAllText(file, "precious\n");
            Assert.Equal(0, FileDescriptor.Status(victim, out FileStatus before));
            // It may serve without, or refuse; the other end of the link is what matters.
            Tool refused = await TryServingAsync(server =>
            {
                Directory.CreateDirectory(server.State);
                File.CreateSymbolicLink(Path.Combine(server.State, name), name == "lock" ? file : victim);
            });
            Assert.DoesNotContain("Exception", refused.Error, StringComparison.Ordinal);
            Assert.Equal(0, FileDescriptor.Status(victim, out FileStatus after));
            Assert.Equal((before.Uid, before.Permissions), (after.Uid, after.Permissions));
            Assert.Equal([file], Directory.GetFileSystemEntries(victim));
            Assert.Equal("precious\n", File.ReadAllText(file));
        }
        finally
        {
            Directory.Delete(victim, recursive: true);
        }
    }

    [Fact]
    public async Task Root_does_not_serve_from_a_directory_that_others_may_change()
    {
        if (!SystemAccounts.IsRoot) return;
        foreach (bool isOwned in (bool[])[true, false])
        {
            void Open(RunningServer server)
            {
                Directory.CreateDirectory(server.State);
                if (isOwned) Assert.Equal(0, FileDescriptor.ChangeOwner(server.State, server.Account.Uid, server.Account.Gid));
                else Assert.Equal(0, FileDescriptor.ChangeMode(server.State, 0x1FF));
            }

            // With somebody's files in it, it is not ours to take.
            Tool refused = await TryServingAsync(server =>
            {
                Open(server);
                File.WriteAllText(Path.Combine(server.State, "precious"), "");
            });
            Assert.Equal(1, refused.ExitCode);
            Assert.Contains("cannot use the state directory", refused.Error, StringComparison.Ordinal);

            await using RunningServer taken = await RunningServer.StartAsync(prepare: Open);
            Assert.Contains(taken.Lines, static line => line.StartsWith("warn: state: ", StringComparison.Ordinal));
            Assert.Equal(0, FileDescriptor.Status(taken.State, out FileStatus status));
            Assert.Equal((SystemAccounts.EffectiveUser, false), (status.Uid, status.IsWritableByOthers));
        }
    }

    [Fact]
    public async Task The_way_to_the_state_may_be_closed_to_the_engine()
    {
        await using RunningServer server = await RunningServer.StartAsync(RunningServer.Simple, ["--state", "closed/state"], server =>
        {
            Directory.CreateDirectory(Path.Combine(server.Folder, "closed"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        });
        await server.AcceptAsync("you@example.org");
        await server.WaitForMailAsync("you");
    }

    // Connections that one user holds on the sockets of the machine, and garbage on some of them, keep nobody else out.
    [Fact]
    public async Task One_users_connections_to_the_local_sockets_leave_room_for_everybody_else()
    {
        if (!SystemAccounts.IsRoot) return;
        await using RunningServer server = await RunningServer.StartAsync();
        ProcessStartInfo start = new("setpriv", ["--reuid=65533", "--regid=65533", "--clear-groups", Environment.ProcessPath!])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            Environment = { [SocketsVariable] = server.State },
        };
        if (Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet") start.ArgumentList.Add(typeof(LocalAttackTests).Assembly.Location);
        foreach (string argument in (string[])["-noColor", "-explicit", "only", "-method", $"{typeof(LocalAttackTests).FullName}.{nameof(Holds_connections_until_its_input_ends)}"]) start.ArgumentList.Add(argument);
        using Process flood = Process.Start(start)!;
        try
        {
            using CancellationTokenSource deadline = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
            deadline.CancelAfter(TimeSpan.FromMinutes(1));
            string? line;
            do line = await flood.StandardOutput.ReadLineAsync(deadline.Token);
            while (line is not null && !line.StartsWith("held ", StringComparison.Ordinal));
            Assert.NotNull(line);
            Assert.InRange(int.Parse(line.Split(' ')[1], CultureInfo.InvariantCulture), 100, 2 * FloodSize);
            Tool status = await server.ControlAsync("show", "status");
            Assert.True(status.ExitCode == 0, status.ToString());
            Tool sent = await Tool.RunAsync(SourceTree.Executable, ["sendmail", "--state", server.State, "-f", "me@example.org", "local@example.org"], "Subject: x\n\nbody\n");
            Assert.True(sent.ExitCode == 0, sent.ToString());
            await server.ReadMailAsync("local");
            await server.AcceptAsync("you@example.org");
            await server.ReadMailAsync("you");
            Assert.Empty(Directory.GetFiles(Path.Combine(server.State, "offline")));
        }
        finally
        {
            flood.Kill();
        }
    }

    /// <summary>Not a test by itself: what another user runs.</summary>
    [Fact(Explicit = true)]
    public void Holds_connections_until_its_input_ends()
    {
        string state = Environment.GetEnvironmentVariable(SocketsVariable) ?? throw new InvalidOperationException($"{SocketsVariable} is not set");
        byte[] noise = new byte[2000];
        List<Socket> held = [];
        foreach (string name in (string[])["control.sock", "smtp.sock"])
        {
            for (int i = 0; i < FloodSize; i++)
            {
                Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) { Blocking = false };
                try
                {
                    socket.Connect(new UnixDomainSocketEndPoint(Path.Combine(state, name)));
                    Random.Shared.NextBytes(noise);
                    if (i % 3 == 0) socket.Send(noise);
                    held.Add(socket);
                }
                catch (SocketException)
                {
                    // Kept out already: that is allowed.
                    socket.Dispose();
                }
            }
        }

        using StreamWriter output = new(Console.OpenStandardOutput()) { AutoFlush = true };
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"\nheld {held.Count}"));
        Console.OpenStandardInput().ReadByte();
        held.ForEach(static socket => socket.Dispose());
    }

    // A spool that another user has worked on becomes the engine's; that user may have linked anything into it before.
    [Fact]
    public async Task A_spool_that_changes_hands_gives_nothing_else_away()
    {
        if (!SystemAccounts.IsRoot) return;
        const uint Old = 65533;
        string victim = "";
        await using RunningServer server = await RunningServer.StartAsync(prepare: prepared =>
        {
            string spool = Path.Combine(prepared.State, "spool");
            victim = prepared.Folder + "/victim";
            File.WriteAllText(victim, "precious\n");
            Directory.CreateDirectory(spool + "/sub");
            File.CreateSymbolicLink(spool + "/link", victim);
            File.CreateSymbolicLink(spool + "/sub/link", prepared.Folder);
            Assert.Equal("", LocalSite.Run("ln", victim, spool + "/hard"));
            Assert.Equal("", LocalSite.Run("mkfifo", spool + "/pipe"));
            File.WriteAllText(spool + "/plain", "x");
            foreach (string path in (string[])[spool, spool + "/sub", spool + "/plain"]) Assert.Equal(0, FileDescriptor.ChangeOwner(path, Old, Old));
        });
        foreach (string path in (string[])[victim, server.Folder])
        {
            Assert.Equal(0, FileDescriptor.Status(path, out FileStatus status));
            Assert.Equal(0u, status.Uid);
        }

        Assert.Equal(0, FileDescriptor.Status(Path.Combine(server.State, "spool", "plain"), out FileStatus plain));
        Assert.Equal(server.Account.Uid, plain.Uid);
        Assert.Equal("precious\n", File.ReadAllText(victim));
        await server.AcceptAsync("you@example.org");
        await server.ReadMailAsync("you");
    }

    // Serves until it is ready or has refused.
    private static async Task<Tool> TryServingAsync(Action<RunningServer> prepare)
    {
        try
        {
            await using RunningServer server = await RunningServer.StartAsync(prepare: prepare);
            await server.AcceptAsync("you@example.org");
            await server.WaitForMailAsync("you");
            return new(await server.StopAsync(), "", string.Join('\n', server.Lines));
        }
        catch (InvalidOperationException error)
        {
            return new(1, "", error.Message);
        }
    }

    private static async Task RunAsync(string program, params string[] arguments)
    {
        Tool tool = await Tool.RunAsync(program, arguments);
        Assert.True(tool.ExitCode == 0, string.Create(CultureInfo.InvariantCulture, $"{program}: {tool}"));
    }
}

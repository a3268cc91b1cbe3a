using System.Collections.Concurrent;
using System.Text;
using Microsoft.Extensions.Logging;
using Posthouse.Server.Model;
using Posthouse.Server.Native;
using Posthouse.Server.Processes;
using Posthouse.SystemTests.Support;

namespace Posthouse.SystemTests;

/// <summary>
/// Mail given to sendmail while no server runs. The directory is another's than the server's, whose socket is only linked to, so that the test says when it is looked at.
/// As root, sendmail runs as the user nobody.
/// </summary>
public sealed class OfflineMailTests : IDisposable
{
    private const string Configuration = """
        listen on socket tag LOCAL
        listen on 127.0.0.1 port {port}
        table everybody { "@" = "{user}" }
        action "box" maildir "{mail}/%{rcpt.user}" user "{user}" virtual <everybody>
        match tag LOCAL from socket for domain { "example.org" } action "box"
        match from any for domain { "example.org" } action "box"
        """;

    private readonly StateDirectory _state = new(Directory.CreateTempSubdirectory("posthouse-offline-").FullName);
    private readonly Lines _log = new();

    public OfflineMailTests() => File.SetUnixFileMode(_state.Path, (UnixFileMode)0b111_101_101);

    public void Dispose() => Directory.Delete(_state.Path, recursive: true);

    [Fact]
    public async Task Mail_waits_for_a_server_and_arrives_as_it_would_have()
    {
        OfflineMail offline = Offline();
        offline.Prepare();
        string longLine = new('x', 3000);
        Assert.Equal(0, await SendAsync("Subject: plain\nBcc: two@example.org\n\n.\n..dot\nline\n", "-t", "-f", "me@example.org", "-N", "never", "one@example.org"));
        Assert.Equal(0, await SendAsync($"Subject: gr\u00fc\u00dfe\n\n{longLine}\n", "-f", "", "three@example.org"));
        string[] files = Directory.GetFiles(_state.Offline);
        Assert.Equal(2, files.Length);
        foreach (string path in files)
        {
            Assert.Equal(0, FileDescriptor.Status(path, out FileStatus status));
            Assert.Equal((0x180u, Submitter, 32), (status.Permissions, status.Uid, Path.GetFileName(path).Length));
        }

        // Without a server it goes on waiting.
        Assert.False(await offline.RoundAsync(TestContext.Current.CancellationToken));
        Assert.Equal(2, Directory.GetFiles(_state.Offline).Length);
        Assert.True(_log.Count(static line => line.Contains("waits: no server is listening", StringComparison.Ordinal)) == 1, _log.ToString());

        await using RunningServer server = await ServeAsync();
        await offline.RoundAsync(TestContext.Current.CancellationToken);
        Assert.Empty(Directory.GetFiles(_state.Offline));
        string mail = await server.ReadMailAsync("one");
        Assert.StartsWith("Return-Path: <me@example.org>\n", mail, StringComparison.Ordinal);
        Assert.EndsWith("\n\n.\n..dot\nline\n", mail, StringComparison.Ordinal);
        Assert.DoesNotContain("Bcc", mail, StringComparison.OrdinalIgnoreCase);
        await server.ReadMailAsync("two");
        mail = await server.ReadMailAsync("three");
        Assert.StartsWith("Delivered-To: three@example.org\n", mail, StringComparison.Ordinal);
        Assert.Contains("Content-Transfer-Encoding: quoted-printable", mail, StringComparison.OrdinalIgnoreCase);
        Assert.All(mail.Split('\n'), static line => Assert.InRange(line.Length, 0, 998));
    }

    [Fact]
    public async Task Without_a_directory_the_sender_hears_of_it()
    {
        Assert.Equal(75, await SendAsync("Subject: x\n\nbody\n", "one@example.org"));
        Offline().Prepare();
        // One that is not the server's is not written to.
        if (!SystemAccounts.IsRoot) return;
        Assert.Equal(0, FileDescriptor.ChangeOwner(_state.Offline, 1, 1));
        Assert.Equal(75, await SendAsync("Subject: x\n\nbody\n", "one@example.org"));
        Assert.Empty(Directory.GetFiles(_state.Offline));
    }

    [Fact]
    public async Task Mail_that_the_server_refuses_is_set_aside_with_its_words()
    {
        OfflineMail offline = Offline();
        offline.Prepare();
        Assert.Equal(0, await SendAsync("Subject: x\n\nbody\n", "-f", "me@example.org", "one@elsewhere.example"));
        Assert.Equal(0, await SendAsync("Subject: x\n\nbody\n", "-f", "me@example.org", "two@example.org"));
        await using RunningServer server = await ServeAsync();
        await offline.RoundAsync(TestContext.Current.CancellationToken);
        await server.ReadMailAsync("two");
        string left = Assert.Single(Directory.GetFiles(_state.Offline));
        Assert.EndsWith(OfflineDirectory.BadSuffix, left, StringComparison.Ordinal);
        Assert.Single(_log, static line => line.Contains("is set aside: one@elsewhere.example: 5", StringComparison.Ordinal));
        await offline.RoundAsync(TestContext.Current.CancellationToken);
        Assert.Single(_log, static line => line.Contains("is set aside", StringComparison.Ordinal));
    }

    // CVE-2020-8793: tools with the group of the spool, and races on the files in it, gave users others' files to read.
    [Fact]
    public async Task CVE_2020_8793_offline_files_of_every_wrong_kind()
    {
        OfflineMail offline = Offline();
        offline.Prepare();
        string shadow = SystemAccounts.IsRoot ? "/etc/shadow" : "/etc/passwd", secret = _state.Path + "/secret";
        File.WriteAllText(secret, "posthouse-offline-mail 1 {\"from\":\"\",\"to\":[\"stolen@example.org\"]}\nSubject: secret\n\nsecret\n");
        File.SetUnixFileMode(secret, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        List<string> wrong = [];
        string Name()
        {
            wrong.Add(OfflineDirectory.DrawName());
            return Path.Combine(_state.Offline, wrong[^1]);
        }

        File.CreateSymbolicLink(Name(), shadow);
        File.CreateSymbolicLink(Name(), secret);
        await RunAsync("ln", secret, Name());
        await RunAsync("mkfifo", Name());
        await RunAsync("mkdir", Name());
        await RunAsync("truncate", "-s", "1T", Name());
        if (SystemAccounts.IsRoot && (await Tool.RunAsync("mknod", Path.Combine(_state.Path, "probe"), "c", "1", "3")).ExitCode == 0) await RunAsync("mknod", Name(), "c", "1", "5");
        foreach (string content in (string[])["", "\n", "root:x:0:0:root:/root:/bin/sh\n", OfflineMark + "\n", OfflineMark + "{\n", OfflineMark + "[]\n", OfflineMark + "{\"from\":7,\"to\":[]}\n",
            OfflineMark + "{\"from\":\"\",\"to\":[]}\nx", OfflineMark + "{\"from\":\"a\\r\\nDATA\",\"to\":[\"stolen@example.org\"]}\nx", OfflineMark + "{\"from\":\"\",\"to\":[\"stolen@example.org>\\r\\nRCPT TO:<other@example.org\"]}\nx",
            OfflineMark + "{\"from\":\"\",\"to\":[\"stolen@example.org\"],\"notify\":\"never ORCPT=x\"}\nx", OfflineMark + "{\"from\":\"\",\"to\":[\"stolen@example.org\"]}", new string('x', 2 << 20)])
        {
            Write(Name(), content, 0b110_000_000);
        }

        Write(Name(), "posthouse-offline-mail 1 {\"from\":\"\",\"to\":[\"stolen@example.org\"]}\nSubject: anybody\n\nx\n", 0b110_000_010);
        File.WriteAllText(Path.Combine(_state.Offline, "a name\nwith info: lines"), "x");
        File.WriteAllText(Path.Combine(_state.Offline, OfflineDirectory.DrawName() + OfflineDirectory.NewSuffix), "half");
        Assert.Equal(0, await SendAsync("Subject: good\n\nbody\n", "-f", "me@example.org", "good@example.org"));

        await using RunningServer server = await ServeAsync();
        while (await offline.RoundAsync(TestContext.Current.CancellationToken)) ;
        await server.ReadMailAsync("good");
        Assert.False(Directory.Exists(Path.Combine(server.Mail, "stolen")), _log.ToString());
        string[] names = [.. Directory.GetFileSystemEntries(_state.Offline).Select(path => Path.GetFileName(path))];
        Assert.All(wrong, name => Assert.Contains(name + OfflineDirectory.BadSuffix, names));
        Assert.All(wrong, name => Assert.Contains(_log, line => line.Contains(name, StringComparison.Ordinal) && line.Contains("is set aside", StringComparison.Ordinal)));
        Assert.Contains("a name\nwith info: lines", names);
        Assert.DoesNotContain(_log, static line => line.Contains("with info: lines", StringComparison.Ordinal) || line.Contains("root:", StringComparison.Ordinal));
        Assert.True(File.Exists(secret));
    }

    [Fact]
    public async Task One_users_flood_does_not_keep_anothers_mail_waiting()
    {
        OfflineMail offline = Offline();
        offline.Prepare();
        for (int i = 0; i < 1200; i++) File.CreateSymbolicLink(Path.Combine(_state.Offline, OfflineDirectory.DrawName()), "/nonexistent");
        Assert.Equal(0, await SendAsync("Subject: x\n\nbody\n", "-f", "me@example.org", "one@example.org"));
        await using RunningServer server = await ServeAsync();
        int rounds = 0;
        bool isMore;
        do
        {
            isMore = await offline.RoundAsync(TestContext.Current.CancellationToken);
            rounds++;
            // The links are this process's user's, the mail is nobody's: it goes in the first round.
            if (SystemAccounts.IsRoot && rounds == 1) await server.ReadMailAsync("one");
        }
        while (isMore);
        await server.ReadMailAsync("one");
        Assert.InRange(rounds, 1200 / 50, 1210 / 50 + 3);
        Assert.All(Directory.GetFileSystemEntries(_state.Offline), static path => Assert.EndsWith(OfflineDirectory.BadSuffix, path, StringComparison.Ordinal));
    }

    [Fact]
    public async Task Roots_own_mail_is_submitted_by_somebody_else()
    {
        if (!SystemAccounts.IsRoot) return;
        OfflineMail offline = Offline();
        offline.Prepare();
        Tool sent = await Tool.RunAsync(SourceTree.Executable, ["sendmail", "--state", _state.Path, "-f", "root@example.org", "one@example.org"], "Subject: x\n\nbody\n");
        Assert.True(sent.ExitCode == 0, sent.ToString());
        await using RunningServer server = await ServeAsync();
        await offline.RoundAsync(TestContext.Current.CancellationToken);
        Assert.StartsWith("Return-Path: <root@example.org>\n", await server.ReadMailAsync("one"), StringComparison.Ordinal);

        // Without such a user it is set aside, not submitted as root.
        File.Delete(_state.SmtpSocket);
        sent = await Tool.RunAsync(SourceTree.Executable, ["sendmail", "--state", _state.Path, "-f", "root@example.org", "two@example.org"], "Subject: x\n\nbody\n");
        Assert.True(sent.ExitCode == 0, sent.ToString());
        await Offline(ServerUsers.None).RoundAsync(TestContext.Current.CancellationToken);
        Assert.EndsWith(OfflineDirectory.BadSuffix, Assert.Single(Directory.GetFiles(_state.Offline)), StringComparison.Ordinal);
    }

    private const string OfflineMark = "posthouse-offline-mail 1 ";

    private static uint Submitter => SystemAccounts.IsRoot ? Nobody.Uid : SystemAccounts.EffectiveUser;

    private static UserAccount Nobody => SystemAccounts.Find("nobody", out _)!;

    private OfflineMail Offline(ServerUsers? users = null) => new(_state, new OwnExecutable([SourceTree.Executable]),
        () => users ?? new(null, null, null, Nobody), static () => 1 << 20, TimeProvider.System, _log);

    private async Task<RunningServer> ServeAsync()
    {
        RunningServer server = await RunningServer.StartAsync(Configuration);
        File.CreateSymbolicLink(_state.SmtpSocket, Path.Combine(server.State, "smtp.sock"));
        return server;
    }

    private async Task<int> SendAsync(string input, params string[] arguments)
    {
        string[] command = [SourceTree.Executable, "sendmail", "--state", _state.Path, .. arguments];
        if (SystemAccounts.IsRoot) command = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", .. command];
        Tool tool = await Tool.RunAsync(command[0], command[1..], input);
        Assert.True(tool.ExitCode is 0 or 75, tool.ToString());
        return tool.ExitCode;
    }

    private static void Write(string path, string content, int mode)
    {
        File.WriteAllText(path, content, new UTF8Encoding(false));
        File.SetUnixFileMode(path, (UnixFileMode)mode);
        if (SystemAccounts.IsRoot) Assert.Equal(0, FileDescriptor.ChangeOwner(path, Nobody.Uid, Nobody.Gid));
    }

    private static async Task RunAsync(string program, params string[] arguments)
    {
        Tool tool = await Tool.RunAsync(program, arguments);
        Assert.True(tool.ExitCode == 0, tool.ToString());
    }

    private sealed class Lines : ConcurrentQueue<string>, ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) => Enqueue(formatter(state, exception));

        public override string ToString() => string.Join('\n', this);
    }
}

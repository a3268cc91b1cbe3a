using System.Diagnostics;
using System.Globalization;
using Posthouse.Server.Native;
using Posthouse.SystemTests.Support;

namespace Posthouse.SystemTests;

/// <summary>Another configuration while the server runs: <c>ctl reload</c> and SIGHUP.</summary>
public class ReloadTests
{
    /// <summary>Takes the mail of a domain, into a maildir named after the recipient.</summary>
    private static string Taking(string domain, string port = "{port}", string before = "") => $$"""
        {{before}}
        listen on 127.0.0.1 port {{port}}
        table everybody { "@" = "{user}" }
        action "mailbox" maildir "{mail}/%{rcpt.user}" user "{user}" virtual <everybody>
        match from any for domain "{{domain}}" action "mailbox"
        """;

    private static void Write(RunningServer server, string configuration) => File.WriteAllText(server.ConfigurationFile, server.Fill(configuration));

    private static async Task ReloadAsync(RunningServer server, string configuration)
    {
        Write(server, configuration);
        Tool done = await server.ControlAsync("reload");
        Assert.True(done.ExitCode == 0, done.ToString());
    }

    [Fact]
    public async Task Rules_change_for_the_next_session_and_not_for_one_in_progress()
    {
        await using RunningServer server = await RunningServer.StartAsync(Taking("old.example"));
        using SmtpClient before = await SmtpClient.ConnectAsync(server.Port);
        await before.SayAsync("EHLO client.example.org", "250");
        await ReloadAsync(server, Taking("new.example"));
        Assert.StartsWith("550 ", await server.SendAsync("joe@old.example"), StringComparison.Ordinal);
        await server.AcceptAsync("joe@new.example");
        Assert.StartsWith("250 ", await before.SendMessageAsync("me@example.org", ["jane@old.example"], "Subject: x\n\nbody"), StringComparison.Ordinal);
        await server.ReadMailAsync("joe");
        await server.ReadMailAsync("jane");
    }

    [Fact]
    public async Task SIGHUP_moves_a_listener_to_another_port()
    {
        await using RunningServer server = await RunningServer.StartAsync(Taking("a.example"));
        using SmtpClient before = await SmtpClient.ConnectAsync(server.Port);
        Write(server, Taking("a.example", "{port2}"));
        using (Process kill = Process.Start("kill", ["-HUP", server.ProcessId.ToString(CultureInfo.InvariantCulture)]))
            await kill.WaitForExitAsync(TestContext.Current.CancellationToken);
        await server.WaitForLogAsync("info: reload: the new configuration is in force");
        using (SmtpClient after = await SmtpClient.ConnectAsync(server.SecondPort)) await after.SayAsync("QUIT", "221");
        await Assert.ThrowsAsync<System.Net.Sockets.SocketException>(() => SmtpClient.ConnectAsync(server.Port));
        await before.SayAsync("EHLO client.example.org", "250");
        Assert.StartsWith("250 ", await before.SendMessageAsync("me@example.org", ["joe@a.example"], "Subject: x\n\nbody"), StringComparison.Ordinal);
        await server.ReadMailAsync("joe");
    }

    [Fact]
    public async Task A_bad_configuration_is_refused_with_its_errors_and_the_old_one_stays()
    {
        await using RunningServer server = await RunningServer.StartAsync(Taking("a.example"));
        foreach ((string configuration, string error) in ((string, string)[])
            [
                (Taking("b.example") + "\nmatch from any for domain b.example action \"none\"\n", $"{server.ConfigurationFile}:6:"),
                (Taking("b.example") + "\nnonsense\n", $"{server.ConfigurationFile}:6:1: "),
                (Taking("b.example", before: "listen on 203.0.113.77 port {port2}"), $"{server.ConfigurationFile}:1:"),
            ])
        {
            int from = server.Lines.Count;
            Write(server, configuration);
            Tool refused = await server.ControlAsync("reload");
            Assert.Equal(1, refused.ExitCode);
            Assert.Contains(error, refused.Error, StringComparison.Ordinal);
            await server.WaitForLogAsync(line => line.Contains("reload: refused", StringComparison.Ordinal) && line.Contains(error, StringComparison.Ordinal), from);
            await server.AcceptAsync("joe@a.example");
        }

        await server.WaitForMailAsync("joe", 3);
    }

    [Fact]
    public async Task What_changes_only_at_a_restart_is_named()
    {
        await using RunningServer server = await RunningServer.StartAsync(Taking("a.example"));
        Write(server, Taking("a.example", before: "queue backend sqlite"));
        Tool done = await server.ControlAsync("reload");
        Assert.Equal((0, $"warning: {server.ConfigurationFile}:1:1: queue backend changes only at a restart\n"), (done.ExitCode, done.Error));
        await server.WaitForLogAsync($"warn: reload: {server.ConfigurationFile}:1:1: queue backend changes only at a restart");
        await server.AcceptAsync("joe@a.example");
        await server.ReadMailAsync("joe");
    }

    [Fact]
    public async Task Queued_mail_outlasts_a_reload_and_goes_by_what_its_action_says_then()
    {
        await using RunningServer server = await RunningServer.StartAsync(Taking("a.example"), ["-P", "mda"]);
        await server.AcceptAsync("joe@a.example");
        await ReloadAsync(server, Taking("a.example").Replace("{mail}/%{rcpt.user}", "{mail}/%{rcpt.user}-new", StringComparison.Ordinal));
        Assert.Contains("MDA paused", (await server.ControlAsync("show", "status")).Output, StringComparison.Ordinal);
        await server.ControlAsync("resume", "mda");
        await server.ReadMailAsync("joe-new");
    }

    [Fact]
    public async Task A_hundred_sessions_see_no_error_and_lose_nothing_over_twenty_reloads()
    {
        const int Sessions = 100, Reloads = 20;
        await using RunningServer server = await RunningServer.StartAsync(Taking("a.example"));
        bool isOver = false;
        int accepted = 0;
        Task sending = Task.WhenAll(Enumerable.Range(0, Sessions).Select(async number =>
        {
            do
            {
                using SmtpClient client = await SmtpClient.ConnectAsync(server.Port);
                await client.SayAsync("EHLO client.example.org", "250");
                for (int i = 0; i < 3; i++)
                {
                    string reply = await client.SendMessageAsync("me@example.org", ["all@a.example"], $"Subject: {number}\n\nbody");
                    Assert.True(reply.StartsWith("250 ", StringComparison.Ordinal), reply);
                    Interlocked.Increment(ref accepted);
                }

                await client.SayAsync("QUIT", "221");
            }
            while (!Volatile.Read(ref isOver));
        }));
        for (int i = 0; i < Reloads; i++)
        {
            await ReloadAsync(server, Taking("a.example", before: i % 2 == 0 ? "listen on 127.0.0.1 port {port2}" : "queue ttl 2d"));
            Assert.False(sending.IsFaulted, sending.Exception?.ToString());
        }

        Volatile.Write(ref isOver, true);
        await sending;
        await server.WaitForMailAsync("all", accepted, 120);
    }

    [Fact]
    public async Task A_flood_of_strangers_on_the_control_socket_keeps_nobody_out()
    {
        await using RunningServer server = await RunningServer.StartAsync();
        // As an ordinary user there is nobody else to be: the flood is then our own, and is bounded all the same.
        string[] identity = SystemAccounts.IsRoot ? ["setpriv", "--reuid=65533", "--regid=65533", "--clear-groups"] : ["env"];
        const string Flood = """
            use Socket;
            my @open;
            for (1 .. 500) {
                socket(my $s, AF_UNIX, SOCK_STREAM, 0) or last;
                connect($s, pack_sockaddr_un($ARGV[0])) or last;
                syswrite($s, $_ % 2 ? "\0\xff\xfe" x 100 : "{\"verb\":\"remove\",\"argument\":\"all\"}");
                push @open, $s;
            }
            print scalar(@open), "\n";
            $SIG{PIPE} = 'IGNORE';
            sleep 60;
            """;
        ProcessStartInfo start = new(identity[0], [.. identity[1..], "perl", "-e", "$| = 1; $SIG{PIPE} = 'IGNORE';" + Flood, Path.Combine(server.State, "control.sock")]) { RedirectStandardOutput = true };
        using Process flood = Process.Start(start)!;
        try
        {
            string? opened = await flood.StandardOutput.ReadLineAsync(TestContext.Current.CancellationToken);
            Assert.Equal("500", opened);
            if (SystemAccounts.IsRoot)
            {
                Tool status = await server.ControlAsync("show", "status");
                Assert.True(status.ExitCode == 0, status.ToString());
                Assert.InRange(server.Lines.Count(static line => line.Contains("control: refused uid 65533", StringComparison.Ordinal)), 1, 30);
            }

            await server.AcceptAsync("joe@example.org");
            await server.ReadMailAsync("joe");
        }
        finally
        {
            flood.Kill(entireProcessTree: true);
            await flood.WaitForExitAsync(CancellationToken.None);
        }

        await server.WaitForAsync(() => server.ControlAsync("show", "status").GetAwaiter().GetResult() is { ExitCode: 0 } done ? done : null, static () => "the control socket does not answer");
    }
}

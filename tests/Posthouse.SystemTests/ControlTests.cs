using System.Text.Json;
using Posthouse.Server.Native;
using Posthouse.SystemTests.Support;

namespace Posthouse.SystemTests;

/// <summary>The queue looked at and steered by <c>posthouse ctl</c> and the old names of the tools.</summary>
public class ControlTests
{
    private static Task<RunningServer> StartAsync(params string[] arguments) => RunningServer.StartAsync(RunningServer.Simple, arguments);

    private static async Task<string[]> ControlAsync(RunningServer server, params string[] words)
    {
        Tool done = await server.ControlAsync(words);
        Assert.True(done.ExitCode == 0, $"{string.Join(' ', words)}: {done}");
        return done.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    [Fact]
    public async Task The_queue_is_shown_in_the_words_of_smtpctl()
    {
        await using RunningServer server = await StartAsync("-P", "mda");
        await server.AcceptAsync("you@example.org");
        await server.AcceptAsync("other@example.org", from: "");
        string[] lines = await ControlAsync(server, "show", "queue");
        Assert.Equal(2, lines.Length);
        string[] fields = lines.Single(line => line.Contains("|you@example.org|", StringComparison.Ordinal)).Split('|');
        Assert.Equal(16, fields[0].Length);
        Assert.Equal(["inet4", "mda", "", "me@example.org", "you@example.org", "you@example.org"], fields[1..7]);
        Assert.Equal("pending", fields[11]);
        Assert.Contains("|@|other@example.org|", lines.Single(line => line.Contains("|other@", StringComparison.Ordinal)), StringComparison.Ordinal);

        Assert.Equal([lines.Single(line => line.StartsWith(fields[0], StringComparison.Ordinal)).Split('|')[0]], (await ControlAsync(server, "show", "queue", fields[0][..8])).Select(line => line.Split('|')[0]));
        Assert.Contains("sender: me@example.org", await ControlAsync(server, "show", "envelope", fields[0]));
        string[] message = await ControlAsync(server, "show", "message", fields[0]);
        Assert.Equal("body", message[^1].TrimEnd('\r'));
        Assert.Contains("MDA paused", await ControlAsync(server, "show", "status"));
        Assert.Contains("scheduler.envelope=2", await ControlAsync(server, "show", "stats"));

        Tool mailq = await Tool.RunAsync(SourceTree.Executable, "mailq", "--state", server.State);
        Assert.Equal(2, mailq.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        File.CreateSymbolicLink(server.Folder + "/mailq", SourceTree.Executable);
        Tool link = await Tool.RunAsync(server.Folder + "/mailq", [], environment: new Dictionary<string, string> { ["POSTHOUSE_STATE"] = server.State });
        Assert.Equal((0, 2), (link.ExitCode, link.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length));
        File.CreateSymbolicLink(server.Folder + "/smtpctl", SourceTree.Executable);
        Tool smtpctl = await Tool.RunAsync(server.Folder + "/smtpctl", ["sh", "statu"], environment: new Dictionary<string, string> { ["POSTHOUSE_STATE"] = server.State });
        Assert.Contains("MDA paused", smtpctl.Output, StringComparison.Ordinal);

        foreach (string[] words in (string[][])[["show", "queue"], ["show", "status"], ["show", "stats"], ["show", "envelope", fields[0]]])
        {
            Tool json = await server.ControlAsync(["--json", .. words]);
            Assert.True(json.ExitCode == 0, json.ToString());
            foreach (string line in json.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries)) JsonDocument.Parse(line).Dispose();
        }
    }

    [Fact]
    public async Task Mail_is_paused_resumed_scheduled_and_removed()
    {
        await using RunningServer server = await StartAsync("-P", "mda");
        foreach (string name in (string[])["one", "two", "three"]) await server.AcceptAsync($"{name}@example.org");
        string Id(string[] lines, string name) => lines.Single(line => line.Contains($"|{name}@example.org|", StringComparison.Ordinal)).Split('|')[0];
        string[] queue = await ControlAsync(server, "show", "queue");
        Assert.Equal(["1 envelope removed"], await ControlAsync(server, "remove", Id(queue, "one")));
        Assert.Equal(["1 envelope paused"], await ControlAsync(server, "pause", "envelope", Id(queue, "two")));
        Assert.Contains("suspend", (await ControlAsync(server, "show", "queue")).Single(line => line.Contains("|two@", StringComparison.Ordinal)).Split('|')[3], StringComparison.Ordinal);
        Assert.Equal(["command succeeded"], await ControlAsync(server, "resume", "mda"));
        await server.ReadMailAsync("three");
        Assert.False(Directory.Exists(server.Mail + "/two"));
        Assert.Equal(["1 envelope resumed"], await ControlAsync(server, "resume", "envelope", Id(queue, "two")));
        await ControlAsync(server, "schedule", "all");
        await server.ReadMailAsync("two");
        Assert.False(Directory.Exists(server.Mail + "/one"));
        Assert.Contains(server.Lines, line => line.Contains("Remove for", StringComparison.Ordinal));
        await server.WaitForAsync(() => ControlAsync(server, "show", "queue").GetAwaiter().GetResult().Length == 0 ? "" : null, () => "the queue is not empty");

        Assert.Equal(["command succeeded"], await ControlAsync(server, "pause", "smtp"));
        using (System.Net.Sockets.TcpClient waiting = new())
        {
            await waiting.ConnectAsync("127.0.0.1", server.Port, TestContext.Current.CancellationToken);
            Assert.Contains("SMTP paused", await ControlAsync(server, "show", "status"));
        }

        Assert.Equal(["command succeeded"], await ControlAsync(server, "resume", "smtp"));
        await server.AcceptAsync("four@example.org");
        await server.ReadMailAsync("four");
    }

    [Fact]
    public async Task A_deferred_mail_is_tried_at_once_when_scheduled()
    {
        await using RunningServer server = await RunningServer.StartAsync("""
            listen on 127.0.0.1 port {port}
            table everybody { "@" = "{user}" }
            action "x" mda "test -e {home}/open || exit 75; cat > {home}/mail" user "{user}" virtual <everybody>
            match from any for any action "x"
            """);
        await server.AcceptAsync("you@example.org");
        await server.WaitForLogAsync("result=TempFail");
        await File.WriteAllTextAsync(server.Home + "/open", "", TestContext.Current.CancellationToken);
        Assert.Equal(["1 envelope scheduled"], await ControlAsync(server, "schedule", "all"));
        await server.WaitForFileAsync(server.Home + "/mail", seconds: 8);
    }

    [Fact]
    public async Task What_cannot_be_done_is_said_and_exits_with_one()
    {
        await using RunningServer server = await StartAsync();
        foreach (string[] words in (string[][])[["no", "such"], ["show"], ["remove", "0000000000000000x"], ["show", "envelope", "0123456789abcdef"], ["update", "table", "nowhere"]])
        {
            Tool failed = await server.ControlAsync(words);
            Assert.True(failed.ExitCode == 1, $"{string.Join(' ', words)}: {failed}");
            Assert.DoesNotContain("Exception", failed.Error, StringComparison.Ordinal);
        }

        await server.StopAsync();
        Tool stopped = await server.ControlAsync("show", "status");
        Assert.Equal(1, stopped.ExitCode);
        Assert.NotEmpty(stopped.Error);
        Assert.DoesNotContain("Exception", stopped.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Only_root_and_the_server_s_user_steer()
    {
        if (!SystemAccounts.IsRoot)
        {
            // Nobody else to be: the refusal is tested where the tests run as root.
            await using RunningServer own = await StartAsync();
            await ControlAsync(own, "show", "status");
            return;
        }

        await using RunningServer server = await StartAsync("-P", "mda");
        await server.AcceptAsync("you@example.org");
        Tool stranger = await Tool.RunAsync("setpriv", "--reuid=65533", "--regid=65533", "--clear-groups", SourceTree.Executable, "ctl", "--state", server.State, "remove", "all");
        Assert.NotEqual(0, stranger.ExitCode);
        Assert.Single(await ControlAsync(server, "show", "queue"));
    }

    [Fact]
    public async Task The_spool_of_a_stopped_server_is_worked_on_by_posthouse_queue()
    {
        await using RunningServer server = await StartAsync("-P", "mda");
        foreach (string name in (string[])["one", "two"]) await server.AcceptAsync($"{name}@example.org");
        Tool running = await Tool.RunAsync(SourceTree.Executable, "queue", "--state", server.State, "list");
        Assert.NotEqual(0, running.ExitCode);
        await server.StopAsync();
        Tool list = await Tool.RunAsync(SourceTree.Executable, "queue", "--state", server.State, "list");
        Assert.True(list.ExitCode == 0, list.ToString());
        Assert.Contains("one@example.org", list.Output, StringComparison.Ordinal);
        Tool verify = await Tool.RunAsync(SourceTree.Executable, "queue", "--state", server.State, "verify");
        Assert.True(verify.ExitCode == 0, verify.ToString());
        server.ForgetArguments();
        await server.StartAgainAsync();
        await server.ReadMailAsync("one");
        await server.ReadMailAsync("two");
    }
}

using Posthouse.SystemTests.Support;

namespace Posthouse.SystemTests;

/// <summary>The commands of the real executable against the real server.</summary>
public sealed class ControlTests
{
    [Fact]
    public async Task Mail_is_submitted_held_shown_and_released()
    {
        await using RunningServer server = await RunningServer.StartAsync();
        Assert.Equal("command succeeded\n", (await CtlAsync(server, "pause", "mda")).Output);
        Tool sent = await RunAsync(server, "Subject: hello\n\nfirst\n.\nlast\n", "sendmail", "someone@example.org");
        Assert.Equal(0, sent.ExitCode);

        Tool listed = await RunAsync(server, null, "mailq");
        string[] fields = listed.Output.TrimEnd('\n').Split('|');
        Assert.Equal(14, fields.Length);
        Assert.Equal("local", fields[1]);
        Assert.Equal("someone@example.org", fields[5]);
        Tool shown = await CtlAsync(server, "show", "message", fields[0]);
        Assert.EndsWith("\r\n\r\nfirst\r\n.\r\nlast\r\n", shown.Output);
        Assert.Contains("Message-ID: <", shown.Output);

        Assert.Equal("1 envelope paused\n", (await CtlAsync(server, "pa", "env", "all")).Output);
        Assert.Equal("command succeeded\n", (await CtlAsync(server, "resume", "mda")).Output);
        Assert.Contains(",suspend|", (await RunAsync(server, null, "mailq")).Output);
        Assert.Equal("1 envelope resumed\n", (await CtlAsync(server, "resume", "envelope", fields[0])).Output);
        await server.WaitForLogAsync("result=Ok");
        // The log line comes before the envelope is gone; each question takes the time of a process.
        for (int tries = 0; tries < 100 && (await RunAsync(server, null, "mailq")).Output.Length > 0; tries++)
        {
        }
        Assert.Equal("", (await RunAsync(server, null, "mailq")).Output);
        Assert.Contains("scheduler.delivery.ok=1\n", (await CtlAsync(server, "show", "stats")).Output);
    }

    [Fact]
    public async Task Without_a_server_commands_fail_and_say_why()
    {
        string state = Path.Combine(Path.GetTempPath(), $"posthouse-none-{Guid.NewGuid():N}");
        Tool ctl = await Tool.RunAsync(SourceTree.Executable, "ctl", "--state", state, "show", "status");
        Assert.Equal(1, ctl.ExitCode);
        Assert.Contains("no server is listening", ctl.Error);
    }

    private static Task<Tool> CtlAsync(RunningServer server, params string[] words) => RunAsync(server, null, ["ctl", .. words]);

    private static Task<Tool> RunAsync(RunningServer server, string? input, params string[] words) =>
        Tool.RunAsync(SourceTree.Executable, words, input, environment: new Dictionary<string, string> { ["POSTHOUSE_STATE"] = server.State });
}

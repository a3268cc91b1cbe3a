using System.Diagnostics;
using System.Globalization;
using Posthouse.SystemTests.Support;

namespace Posthouse.SystemTests;

/// <summary>Mail that crashes the server does so twice, and then waits for an administrator.</summary>
public class SuspectMailTests
{
    // Whoever gets mail as "stuck" is not done with it before there is a file named ok.
    private const string Configuration = """
        listen on 127.0.0.1 port {port}
        table everybody { "@" = "{user}" }
        action "stuck" mda "sh -c 'touch {mail}/begun; until test -e {mail}/ok; do sleep 0.1; done; cat > {mail}/stuck'" user "{user}" virtual <everybody>
        action "mailbox" maildir "{mail}/%{rcpt.user}" user "{user}" virtual <everybody>
        match from any for rcpt-to "stuck@example.org" action "stuck"
        match from any for any action "mailbox"
        """;

    [Fact]
    public async Task What_is_in_flight_at_two_crashes_is_suspended_and_the_rest_is_delivered()
    {
        await using RunningServer server = await RunningServer.StartAsync(Configuration);
        await server.AcceptAsync("stuck@example.org");
        // Kills come from outside and count for nothing.
        foreach (string signal in (string[])["KILL", "KILL", "KILL", "SYS"]) await EndEngineAsync(server, signal);
        await server.WaitForLogAsync("warn: the server crashed while 1 deliveries were under way");
        Assert.DoesNotContain("|suspend|", (await server.ControlAsync("show", "queue")).Output, StringComparison.Ordinal);

        await EndEngineAsync(server, "SYS");
        string told = await server.WaitForLogAsync(" is suspended: it was being delivered at 2 crashes of the server");
        string id = told.Split("envelope ")[1][..16];
        Assert.Contains($"`posthouse ctl resume envelope {id}`", told, StringComparison.Ordinal);
        string listed = await server.WaitForAsync(() => server.ControlAsync("show", "queue").GetAwaiter().GetResult() is { ExitCode: 0 } shown ? shown.Output : null, static () => "the engine does not answer");
        Assert.StartsWith($"{id}|", listed, StringComparison.Ordinal);
        Assert.Contains("suspend", listed, StringComparison.Ordinal);
        await server.AcceptAsync("other@example.org");
        await server.ReadMailAsync("other");

        File.WriteAllText(Path.Combine(server.Mail, "ok"), "");
        Tool resumed = await server.ControlAsync("resume", "envelope", id);
        Assert.Equal((0, "1 envelope resumed\n"), (resumed.ExitCode, resumed.Output));
        Assert.Contains("body", await server.WaitForFileAsync(Path.Combine(server.Mail, "stuck"), static text => text.Contains("body", StringComparison.Ordinal)), StringComparison.Ordinal);
    }

    // With the delivery under way, the engine ends; answers when there is another that listens.
    private static async Task EndEngineAsync(RunningServer server, string signal)
    {
        string begun = Path.Combine(server.Mail, "begun");
        await server.WaitForAsync(() => File.Exists(begun) ? "" : null, static () => "the delivery has not begun");
        int from = server.Lines.Count;
        int[] engine = await server.WaitForAsync(() => server.ProcessesOf("engine") is { Length: 1 } found ? found : null, static () => "there is no engine");
        File.Delete(begun);
        using (Process kill = Process.Start("kill", [$"-{signal}", engine[0].ToString(CultureInfo.InvariantCulture)]))
            await kill.WaitForExitAsync(TestContext.Current.CancellationToken);
        await server.WaitForLogAsync("info: ready", from, seconds: 60);
    }
}

using System.Globalization;
using Posthouse.SystemTests.Support;

namespace Posthouse.SystemTests;

/// <summary>What becomes of deliveries whose engine dies.</summary>
public class EngineDeathTests
{
    [Fact]
    public async Task A_program_is_killed_with_what_it_started_and_never_takes_half_a_message_for_the_whole()
    {
        await using RunningServer server = await RunningServer.StartAsync("""
            listen on 127.0.0.1 port {port}
            table people { joe = "{uid}:{gid}:{home}" }
            action "x" mda "if test -e {home}/child; then cat > {home}/got; else sleep 600 & echo $! > {home}/child; until test -e {home}/go; do sleep 0.1; done; cat > {home}/half; echo all > {home}/complete; fi" userbase <people>
            match from any for any action "x"
            """);
        // More than the pipe holds: its engine is in the middle of it when it dies.
        string body = string.Concat(Enumerable.Range(0, 40_000).Select(static i => $"line {i} of a message that takes a while\n"));
        await server.AcceptAsync("joe@example.com", "Subject: large\n\n" + body);
        string child = (await server.WaitForFileAsync(server.Home + "/child", static text => text.EndsWith('\n'))).Trim();
        LocalSite.Run("kill", "-9", Assert.Single(server.ProcessesOf("engine")).ToString(CultureInfo.InvariantCulture));
        server.WriteOwn(server.Home + "/go", "on");
        await server.WaitForAsync(() => IsRunning(child) ? null : "", () => "what the program started still runs");
        // The next engine delivers it.
        await server.WaitForFileAsync(server.Home + "/got", static text => text.TrimEnd().EndsWith("line 39999 of a message that takes a while", StringComparison.Ordinal));
        Assert.False(File.Exists(server.Home + "/complete"));
    }

    private static bool IsRunning(string process)
    {
        try
        {
            return !File.ReadAllText($"/proc/{process}/stat").Contains(") Z ", StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return false;
        }
    }
}

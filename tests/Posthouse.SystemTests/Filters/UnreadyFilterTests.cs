using Posthouse.SystemTests.Support;

namespace Posthouse.SystemTests.Filters;

/// <summary>A filter that never says that it is ready, which takes ten seconds to be believed.</summary>
public class UnreadyFilterTests
{
    [Fact]
    public async Task One_that_does_not_say_that_it_is_ready_is_started_again_while_its_sessions_are_told_to_come_later()
    {
        await using RunningServer server = await RunningServer.StartAsync(
            FilterScript.Configuration(FilterScript.Statement("faulty", "registers-nothing", "timeout 1s") + FilterScript.Statement("faulty", "registers-nothing", "timeout 1s on-failure bypass", "open"), "\"faulty\"", "\"open\""),
            prepare: FilterScript.Copy);
        using (SmtpClient client = await SmtpClient.ConnectAsync(server.Port, greet: false))
        {
            Assert.StartsWith("421 ", await client.ReadReplyAsync(), StringComparison.Ordinal);
            Assert.True(await client.IsClosedAsync());
        }

        await server.AcceptAsync("you@example.org", port: server.SecondPort);
        await server.ReadMailAsync("you");
        int[] first = FilterScript.ProcessesOf(server, "faulty");
        Assert.Equal(2, first.Length);
        await server.WaitForAsync(() => FilterScript.ProcessesOf(server, "faulty").Length >= 4 ? "" : null, static () => "not started again", seconds: 30);
        foreach (int process in first) await server.WaitForLogAsync(line => line.Contains($"{process}", StringComparison.Ordinal) && line.Contains("register|ready", StringComparison.Ordinal));
    }
}

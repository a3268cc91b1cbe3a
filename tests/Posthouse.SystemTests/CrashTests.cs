using System.Collections.Concurrent;
using Posthouse.SystemTests.Support;

namespace Posthouse.SystemTests;

/// <summary>What was acknowledged arrives, whatever happens to the server.</summary>
public class CrashTests
{
    [Theory]
    [InlineData("log")]
    [InlineData("fs")]
    [InlineData("sqlite")]
    public async Task Nothing_acknowledged_is_lost_when_the_server_is_killed(string backend)
    {
        await using RunningServer server = await RunningServer.StartAsync($"queue backend {backend}\n{RunningServer.Simple}");
        ConcurrentBag<string> acknowledged = [];
        for (int round = 0; round < 3; round++)
        {
            TaskCompletionSource enough = new(TaskCreationOptions.RunContinuationsAsynchronously);
            int target = acknowledged.Count + 50 * (round + 1);
            Task[] clients = [.. Enumerable.Range(0, 8).Select(client => Task.Run(() => SendUntilDeadAsync(server.Port, $"{round}.{client}", acknowledged, target, enough)))];
            await enough.Task.WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
            await server.KillAsync();
            await Task.WhenAll(clients);
            await server.StartAgainAsync();
        }

        // More files than acknowledgements may stand there: an answer, or the note of a delivery, can be lost with the server.
        await server.WaitForAsync(() => acknowledged.Except(Arrived(server)).Any() ? null : "", () => $"missing: {string.Join(' ', acknowledged.Except(Arrived(server)))}", 120);
    }

    private static HashSet<string> Arrived(RunningServer server)
    {
        HashSet<string> arrived = [];
        string folder = Path.Combine(server.Mail, "you", "new");
        // The first delivery makes it, and the server may have been killed before that each time.
        foreach (string file in Directory.Exists(folder) ? Directory.EnumerateFiles(folder) : [])
        {
            string text = File.ReadAllText(file);
            int at = text.IndexOf("Message-Id: <", StringComparison.Ordinal) + 13;
            arrived.Add(text[at..text.IndexOf('>', at)]);
        }

        return arrived;
    }

    private static async Task SendUntilDeadAsync(int port, string name, ConcurrentBag<string> acknowledged, int target, TaskCompletionSource enough)
    {
        try
        {
            using SmtpClient client = await SmtpClient.ConnectAsync(port);
            await client.WriteAsync("EHLO client.example.org\r\n");
            if (!(await client.ReadReplyAsync()).StartsWith("250", StringComparison.Ordinal)) return;
            for (int i = 0; i < 99; i++)
            {
                string id = $"{name}.{i}@client.example.org";
                await client.WriteAsync($"MAIL FROM:<me@example.org>\r\nRCPT TO:<you@example.org>\r\nDATA\r\n");
                for (int reply = 0; reply < 3; reply++)
                {
                    if ((await client.ReadReplyAsync()).Length == 0) return;
                }

                await client.WriteAsync($"Message-Id: <{id}>\r\n\r\n{new string('x', 2000)}\r\n.\r\n");
                if (!(await client.ReadReplyAsync()).StartsWith("250", StringComparison.Ordinal)) return;
                acknowledged.Add(id);
                if (acknowledged.Count >= target) enough.TrySetResult();
            }
        }
        catch (System.Net.Sockets.SocketException)
        {
            // The server was killed: that is what this is about.
        }
        catch (IOException)
        {
            // The same, while writing.
        }
    }
}

using Posthouse.SystemTests.Support;

namespace Posthouse.SystemTests.Filters;

/// <summary>Filters that die all the time, under load.</summary>
public class KillStormTests
{
    private const string DkimSign = "filter \"dkim\" proc-exec \"filter-dkimsign -d example.org -s sel -k {dir}/key.pem\" user \"{user}\"\n";

    [Fact]
    public Task A_random_filter_dies_ten_times_a_second_and_what_was_accepted_arrives_once_and_filtered() =>
        StormAsync(clients: 4, kills: 200, every: TimeSpan.FromMilliseconds(100), new string('x', 2000));

    // Longer than what is kept in memory, and than any pipe: deaths fall into the middle of what has been let out already.
    [Fact]
    public Task Filters_die_in_the_middle_of_large_messages() =>
        StormAsync(clients: 2, kills: 40, every: TimeSpan.FromMilliseconds(400), string.Join('\n', Enumerable.Range(0, 5000).Select(static number => $"line {number} of a message that is long enough to be on its way for a while")));

    private static async Task StormAsync(int clients, int kills, TimeSpan every, string body)
    {
        string[] victims = ["/plain.py ", "/strict.py ", "filter-dkimsign "];
        await using RunningServer server = await RunningServer.StartAsync(
            FilterScript.Configuration(FilterScript.Statement("plain") + FilterScript.Statement("strict") + DkimSign, "{ \"plain\", \"strict\", \"dkim\" }"),
            prepare: server =>
            {
                FilterScript.Copy(server);
                DkimKey.Make(server);
            });
        await using Load load = new(server, clients, mailsPerSession: 20, body);
        await load.MoreAsync(clients);
        int killed = 0;
        using (PeriodicTimer tick = new(every))
        {
            for (int i = 0; i < kills; i++)
            {
                await tick.WaitForNextTickAsync(TestContext.Current.CancellationToken);
                killed += await FilterProcesses.KillAsync(server, victims[Random.Shared.Next(victims.Length)]);
            }
        }

        Assert.True(killed >= kills / 4, $"only {killed} were there to be killed");
        await load.MoreAsync(clients);
        await load.StopAsync();
        TestContext.Current.TestOutputHelper?.WriteLine($"{killed} killed, {load.Acknowledged.Count} accepted, {load.Broken} sessions broken off: {string.Join("; ", load.Refused)}");
        Assert.All(load.Refused, static reply => Assert.StartsWith("4", reply, StringComparison.Ordinal));
        await load.AllArrivedAsync();
        Assert.All(await load.OnceAsync(), text =>
        {
            Assert.EndsWith($"\n\n{body}\n", text, StringComparison.Ordinal);
            foreach (string header in (string[])["DKIM-Signature", "X-Known", "X-Filtered"]) Assert.Single(text.Split('\n'), line => line.StartsWith(header + ":", StringComparison.Ordinal));
        });
        await DkimKey.VerifyAsync(server, await server.WaitForMailAsync("you"));
        int tries = load.Acknowledged.Count + load.Broken;
        Assert.True(load.Acknowledged.Count >= 0.95 * tries, $"{load.Acknowledged.Count} of {tries}: {string.Join('\n', load.Refused)}");
    }
}

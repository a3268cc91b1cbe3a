using Posthouse.SystemTests.Support;

namespace Posthouse.SystemTests.Filters;

/// <summary>Filters that die all the time, under load.</summary>
public class KillStormTests
{
    [Fact]
    public async Task A_random_filter_dies_ten_times_a_second_and_what_was_accepted_arrives_once_and_filtered()
    {
        const string DkimSign = "filter \"dkim\" proc-exec \"filter-dkimsign -d example.org -s sel -k {dir}/key.pem\" user \"{user}\"\n";
        string[] victims = ["/plain.py ", "/strict.py ", "filter-dkimsign "];
        await using RunningServer server = await RunningServer.StartAsync(
            FilterScript.Configuration(FilterScript.Statement("plain") + FilterScript.Statement("strict") + DkimSign, "{ \"plain\", \"strict\", \"dkim\" }"),
            prepare: server =>
            {
                FilterScript.Copy(server);
                DkimKey.Make(server);
            });
        await using Load load = new(server, 4, mailsPerSession: 20);
        await load.MoreAsync(20);
        int killed = 0;
        using (PeriodicTimer tick = new(TimeSpan.FromMilliseconds(100)))
        {
            for (int i = 0; i < 200; i++)
            {
                await tick.WaitForNextTickAsync(TestContext.Current.CancellationToken);
                killed += await FilterProcesses.KillAsync(server, victims[Random.Shared.Next(victims.Length)]);
            }
        }

        Assert.True(killed >= 50, $"only {killed} were there to be killed");
        await load.MoreAsync(20);
        await load.StopAsync();
        Assert.All(load.Refused, static reply => Assert.StartsWith("4", reply, StringComparison.Ordinal));
        await load.AllArrivedAsync();
        Assert.All(await load.OnceAsync(), static text =>
        {
            foreach (string header in (string[])["DKIM-Signature", "X-Known", "X-Filtered"]) Assert.Single(text.Split('\n'), line => line.StartsWith(header + ":", StringComparison.Ordinal));
        });
        await DkimKey.VerifyAsync(server, await server.WaitForMailAsync("you"));
        int tries = load.Acknowledged.Count + load.Broken;
        Assert.True(load.Acknowledged.Count >= 0.95 * tries, $"{load.Acknowledged.Count} of {tries}: {string.Join('\n', load.Refused)}");
    }
}

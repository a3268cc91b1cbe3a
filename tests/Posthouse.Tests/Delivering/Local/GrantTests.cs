using Microsoft.Extensions.Time.Testing;
using Posthouse.Plugs;
using Posthouse.Server.Configuration;
using Posthouse.Server.Model;
using Posthouse.Server.Native;

namespace Posthouse.Tests.Delivering.Local;

public class GrantTests
{
    private const string Message = "Subject: x\r\n\r\nbody\r\n";

    private static async Task DeliverAsync(LocalSetup setup, int count, Func<int, string>? destination = null, string? source = null)
    {
        DeliveryResult[] results = await Task.WhenAll(Enumerable.Range(0, count).Select(async i =>
            await setup.DeliverAsync(await setup.AcceptAsync(Message, sender: $"s{i}@example.org", destination: destination?.Invoke(i) ?? "tester@example.com", source: source))));
        Assert.All(results, result => Assert.Equal((DeliveryOutcome.Delivered, "Delivered"), (result.Outcome, result.Text)));
    }

    [Fact]
    public async Task A_hundred_deliveries_into_a_maildir_ask_once()
    {
        await using LocalSetup setup = new(new LocalMethod.Maildir());
        await DeliverAsync(setup, 1);
        await DeliverAsync(setup, 99);
        Assert.Equal(1, setup.Privileges.Deliveries.GrantsAsked);
        Assert.Equal(100, Directory.GetFiles(setup.Home + "/Maildir/new").Length);
        Assert.Single(setup.Privileges.Workers);
    }

    [Fact]
    public async Task A_path_out_of_an_address_is_asked_for_once_for_each_address()
    {
        await using LocalSetup setup = new(new LocalMethod.Maildir("~/%{dest.user}"));
        for (int i = 0; i < 3; i++) await DeliverAsync(setup, 4, i => $"u{i}@example.com");
        Assert.Equal(12, Enumerable.Range(0, 4).Sum(i => Directory.GetFiles($"{setup.Home}/u{i}/new").Length));
        Assert.All(Enumerable.Range(0, 4), i => Assert.Equal(3, Directory.GetFiles($"{setup.Home}/u{i}/new").Length));
        // The senders differ; until the first grant says that they do not count, each of the first round may ask.
        Assert.InRange(setup.Privileges.Deliveries.GrantsAsked, 4, 8);
    }

    [Fact]
    public async Task What_a_source_names_is_asked_for_each_time()
    {
        await using LocalSetup setup = new(new LocalMethod.Maildir());
        setup.Entry = setup.Home + "/archive";
        await DeliverAsync(setup, 5, source: "forward:tester:0");
        Assert.Equal(5, setup.Privileges.Deliveries.GrantsAsked);
        string text = File.ReadAllText(setup.Home + "/archive");
        Assert.All(Enumerable.Range(0, 5), i => Assert.Contains($"From s{i}@example.org ", text, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_grant_holds_for_ten_seconds()
    {
        FakeTimeProvider time = new();
        await using LocalSetup setup = new(new LocalMethod.Maildir(), time: time);
        await DeliverAsync(setup, 1);
        time.Advance(TimeSpan.FromSeconds(9));
        await DeliverAsync(setup, 1);
        Assert.Equal(1, setup.Privileges.Deliveries.GrantsAsked);
        time.Advance(TimeSpan.FromSeconds(2));
        await DeliverAsync(setup, 1);
        Assert.Equal(2, setup.Privileges.Deliveries.GrantsAsked);
    }

    [Fact]
    public async Task Another_configuration_takes_grants_back()
    {
        await using LocalSetup setup = new(new LocalMethod.Maildir());
        await DeliverAsync(setup, 2);
        setup.Change(new LocalMethod.Maildir("~/%{dest.user}"));
        await DeliverAsync(setup, 4, i => $"u{i}@example.com");
        Assert.Equal(2, Directory.GetFiles(setup.Home + "/Maildir/new").Length);
        Assert.All(Enumerable.Range(0, 4), i => Assert.Single(Directory.GetFiles($"{setup.Home}/u{i}/new")));
    }

    [Fact]
    public async Task An_engine_that_did_not_hear_of_the_configuration_cannot_use_its_old_grants()
    {
        await using LocalSetup setup = new(new LocalMethod.Maildir());
        await DeliverAsync(setup, 1);
        setup.Privileges.Deliveries.ForgetConfiguration();
        await DeliverAsync(setup, 1);
        Assert.Equal(2, setup.Privileges.Deliveries.GrantsAsked);
    }

    [Fact]
    public async Task A_worker_that_was_killed_is_replaced_before_the_delivery_fails()
    {
        await using LocalSetup setup = new(new LocalMethod.Maildir());
        await DeliverAsync(setup, 1);
        int worker = Assert.Single(setup.Privileges.Workers);
        ChildProcess.Kill(worker);
        await DeliverAsync(setup, 1);
        Assert.NotEqual(worker, Assert.Single(setup.Privileges.Workers));
        Assert.Equal(2, Directory.GetFiles(setup.Home + "/Maildir/new").Length);
    }

    [Fact]
    public async Task A_worker_without_work_ends_after_a_minute()
    {
        FakeTimeProvider time = new();
        await using LocalSetup setup = new(new LocalMethod.Maildir(), time: time);
        await DeliverAsync(setup, 1);
        int worker = Assert.Single(setup.Privileges.Workers);
        time.Advance(TimeSpan.FromSeconds(75));
        await Eventually.TrueAsync(() => setup.Privileges.Workers.Count == 0, "the worker is let go");
        await Eventually.TrueAsync(() =>
        {
            // The sweep that reaps it.
            time.Advance(TimeSpan.FromSeconds(1));
            return !File.Exists($"/proc/{worker}/stat");
        }, "the worker is reaped");
        await DeliverAsync(setup, 1);
    }

    [Fact]
    public async Task A_delivery_as_root_or_as_one_of_the_server_s_users_is_refused_by_the_parent()
    {
        await using LocalSetup setup = new(new LocalMethod.Maildir());
        setup.Others["root"] = new("root", 0, 0, setup.Home);
        setup.Others["keys"] = new("keys", 64001, 64001, setup.Home);
        foreach (string user in setup.Others.Keys)
        {
            Envelope envelope = await setup.AcceptAsync(Message) with { User = user };
            DeliveryResult result = await setup.DeliverAsync(envelope);
            Assert.Equal((DeliveryOutcome.Permanent, $"not allowed to deliver to: {user}"), (result.Outcome, result.Text));
        }
        Assert.Empty(Directory.GetFileSystemEntries(setup.Home));
    }
}

using Posthouse.Plugs;
using Posthouse.Server.Delivering;
using Posthouse.Server.Model;
using Posthouse.Server.Queueing;
using Posthouse.Tests.Queueing;

namespace Posthouse.Tests.Delivering;

public class DispatcherTests
{
    private static readonly DispatcherOptions s_options = new() { ServerName = "mx.example.org" };

    [Fact]
    public async Task What_is_accepted_is_delivered_and_deleted()
    {
        await using DispatcherRig rig = new();
        Assert.Equal(0, await rig.Dispatcher.StartAsync());
        Envelope envelope = Assert.Single(await rig.AcceptAsync());
        rig.Time.Advance(TimeSpan.FromSeconds(62));
        Assert.Equal(envelope.Id, await rig.Scheduler.UntilAsync("delete"));
        Assert.Empty(await rig.WalkAsync());
        Assert.Contains(rig.Log.Lines, line => line.StartsWith(
            $"0123456789abcdef mda delivery evpid={envelope.Id} from=<sender@example.net> to=<user0@example.org> rcpt=<user0@example.org> user=user0 delay=", StringComparison.Ordinal)
            && line.EndsWith(" result=Ok stat=Delivered", StringComparison.Ordinal));
        Assert.Equal(1, rig.Counters["scheduler.delivery.ok"].Value);
        Assert.Equal(0, rig.Counters["scheduler.envelope"].Value);
    }

    [Fact]
    public async Task What_is_found_at_the_start_is_delivered_except_what_is_suspended()
    {
        await using DispatcherRig rig = new();
        IReadOnlyList<Envelope> envelopes = await rig.AcceptAsync(3, static envelope => envelope.User == "user1" ? envelope with { Flags = EnvelopeFlags.Suspended } : envelope);
        Assert.Equal(3, await rig.Dispatcher.StartAsync());
        await rig.Scheduler.UntilAsync("delete");
        await rig.Scheduler.UntilAsync("delete");
        Assert.Equal("user1", Assert.Single(await rig.WalkAsync()).User);
        Assert.Contains("queue: found 3 envelopes of 1 messages", rig.Log.Lines);
        Assert.Equal(1, await rig.Control.ResumeAsync(EnvelopeSelection.Of(envelopes[0].Id.Message)));
        await rig.Scheduler.UntilAsync("delete");
        Assert.Empty(await rig.WalkAsync());
    }

    [Fact]
    public async Task A_temporary_failure_is_tried_again()
    {
        await using DispatcherRig rig = new();
        rig.Local.Script = (_, _) => new(rig.Local.Tries < 3 ? DeliveryResult.Temporary("mailbox is busy", 2, 0) : DeliveryResult.Delivered());
        await rig.Dispatcher.StartAsync();
        await rig.AcceptAsync();
        await rig.Scheduler.UntilAsync("update");
        Envelope failed = Assert.Single(await rig.WalkAsync());
        Assert.Equal((1, DispatcherRig.Start, "4.2.0", "mailbox is busy"), (failed.Tries, failed.LastTry, failed.Status, failed.Error));
        rig.Time.Advance(TimeSpan.FromSeconds(10));
        await rig.Scheduler.UntilAsync("update");
        rig.Time.Advance(TimeSpan.FromSeconds(30));
        await rig.Scheduler.UntilAsync("delete");
        Assert.Equal(3, rig.Local.Tries);
        Assert.Contains(rig.Log.Lines, static line => line.EndsWith("delay=10s result=TempFail stat=Error (mailbox is busy)", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_delivery_that_throws_is_a_temporary_failure_and_stops_nothing()
    {
        await using DispatcherRig rig = new();
        rig.Local.Script = static (envelope, _) => envelope.User == "user0" ? throw new InvalidOperationException("boom") : new(DeliveryResult.Delivered());
        await rig.Dispatcher.StartAsync();
        await rig.AcceptAsync(2);
        await rig.Scheduler.UntilAsync("delete");
        Assert.Equal("user0", Assert.Single(await rig.WalkAsync()).User);
    }

    [Fact]
    public async Task A_permanent_failure_becomes_a_bounce_before_it_is_deleted()
    {
        await using DispatcherRig rig = new();
        rig.Local.Script = static (_, _) => new(DeliveryResult.Permanent("no such user", 1, 1) with { Remote = "lmtp.example.org" });
        rig.Bounces.Script = static (_, _) => new(DeliveryResult.Temporary("later"));
        await rig.Dispatcher.StartAsync();
        Envelope failed = Assert.Single(await rig.AcceptAsync(1, static envelope => envelope with { Notification = new() { EnvelopeIdentifier = "E1", Return = "full", OriginalRecipient = "rfc822;u@x" } }));
        await rig.Scheduler.UntilAsync("delete");
        Envelope bounce = Assert.Single(await rig.WalkAsync());
        Assert.Equal(failed.Id.Message, bounce.Id.Message);
        Assert.Equal(("", "sender@example.net", EnvelopeKind.Bounce), (bounce.Sender, bounce.Recipient, bounce.Kind));
        Assert.Equal(EnvelopeFlags.Bounce | EnvelopeFlags.Internal, bounce.Flags);
        Assert.Equal(("E1", "full"), (bounce.Notification!.EnvelopeIdentifier, bounce.Notification.Return));
        Assert.Equal("failed", bounce.Bounce!.Type);
        BounceReport report = Assert.Single(bounce.Bounce.Of);
        Assert.Equal(("user0@example.org", "5.1.1", "no such user", "lmtp.example.org", "rfc822;u@x"), (report.Recipient, report.Status, report.Error, report.Remote, report.OriginalRecipient));
        Assert.Equal((DispatcherRig.Start, DispatcherRig.Start), (report.Arrived, report.LastTry));
        Assert.Equal(1, rig.Counters["queue.bounce"].Value);
    }

    [Fact]
    public async Task A_bounce_that_cannot_be_stored_keeps_its_cause()
    {
        FailingQueue store = new(new RamQueue());
        await using DispatcherRig rig = new(store: store);
        rig.Local.Script = (_, _) =>
        {
            store.Fails = rig.Local.Tries == 1;
            return new(DeliveryResult.Permanent("no such user", 1, 1));
        };
        rig.Bounces.Script = static (_, _) => new(DeliveryResult.Temporary("later"));
        await rig.Dispatcher.StartAsync();
        Envelope envelope = Assert.Single(await rig.AcceptAsync());
        await rig.Scheduler.UntilAsync("update");
        Assert.Equal((1, "5.1.1"), (Assert.Single(await rig.WalkAsync()) is { } kept ? (kept.Tries, kept.Status) : default));
        Assert.Contains(rig.Log.Lines, line => line.StartsWith($"bounce: the failed notice of {envelope.Id} could not be queued", StringComparison.Ordinal));
        rig.Time.Advance(TimeSpan.FromSeconds(10));
        await rig.Scheduler.UntilAsync("delete");
        Assert.Equal(EnvelopeKind.Bounce, Assert.Single(await rig.WalkAsync()).Kind);
    }

    [Fact]
    public async Task What_cannot_be_loaded_is_tried_again_after_a_pause()
    {
        FailingQueue store = new(new RamQueue());
        await using DispatcherRig accepting = new(store: store);
        IReadOnlyList<Envelope> envelopes = await accepting.AcceptAsync(50);
        await using DispatcherRig rig = new(store: store);
        rig.Dispatcher.Pause(EnvelopeKinds.Mda);
        await rig.Dispatcher.StartAsync();
        store.FailsWalks = true;
        rig.Dispatcher.Resume(EnvelopeKinds.Mda);
        rig.Time.Advance(TimeSpan.FromSeconds(1));
        await rig.Log.UntilAsync(static line => line.EndsWith("cannot be loaded now: told to fail", StringComparison.Ordinal), envelopes.Count);
        store.FailsWalks = false;
        rig.Time.Advance(TimeSpan.FromSeconds(10));
        for (int i = 0; i < envelopes.Count; i++)
            await rig.Scheduler.UntilAsync("delete");
        Assert.Empty(await rig.WalkAsync());
    }

    [Fact]
    public async Task An_envelope_that_is_gone_is_forgotten()
    {
        await using DispatcherRig rig = new();
        rig.Dispatcher.Pause(EnvelopeKinds.Mda);
        await rig.Dispatcher.StartAsync();
        Envelope envelope = Assert.Single(await rig.AcceptAsync());
        await rig.Queue.DeleteAsync(envelope.Id);
        rig.Dispatcher.Resume(EnvelopeKinds.Mda);
        rig.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Equal(envelope.Id, await rig.Scheduler.UntilAsync("delete"));
        Assert.Equal(0, rig.Local.Tries);
    }

    [Theory]
    [InlineData(EnvelopeKind.Mda)]
    [InlineData(EnvelopeKind.Bounce)]
    public async Task The_null_sender_is_never_told(EnvelopeKind kind)
    {
        await using DispatcherRig rig = new();
        rig.Local.Script = rig.Bounces.Script = static (_, _) => new(DeliveryResult.Permanent("no"));
        await rig.Dispatcher.StartAsync();
        await rig.AcceptAsync(1, envelope => envelope with { Sender = "", Kind = kind });
        await rig.Scheduler.UntilAsync("delete");
        Assert.Empty(await rig.WalkAsync());
        Assert.Equal(1, rig.Counters["bounce.dropped"].Value);
        Assert.Contains(rig.Log.Lines, static line => line.EndsWith("failed and has nobody to tell, dropped: no", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_expired_envelope_is_returned_to_its_sender()
    {
        await using DispatcherRig rig = new();
        rig.Local.Script = static (_, _) => new(DeliveryResult.Temporary("mailbox is busy"));
        rig.Bounces.Script = static (_, _) => new(DeliveryResult.Temporary("later"));
        await rig.Dispatcher.StartAsync();
        await rig.AcceptAsync(1, envelope => envelope with { Expires = rig.Now + 5 });
        await rig.Scheduler.UntilAsync("update");
        rig.Time.Advance(TimeSpan.FromSeconds(5));
        await rig.Scheduler.UntilAsync("delete");
        BounceReport report = Assert.Single(Assert.Single(await rig.WalkAsync()).Bounce!.Of);
        Assert.Equal(("5.4.7", "Envelope expired; last error: mailbox is busy"), (report.Status, report.Error));
        Assert.Contains(rig.Log.Lines, static line => line.StartsWith("delivery: Expire for ", StringComparison.Ordinal) && line.EndsWith("delay=5s, stat=Envelope expired", StringComparison.Ordinal));
        Assert.Equal(1, rig.Counters["scheduler.envelope.expired"].Value);
    }

    [Fact]
    public async Task A_kind_without_a_delivery_is_deferred()
    {
        await using DispatcherRig rig = new();
        await rig.Dispatcher.StartAsync();
        await rig.AcceptAsync(1, static envelope => envelope with { Kind = EnvelopeKind.Mta });
        await rig.Scheduler.UntilAsync("update");
        Assert.Equal("4.3.5", Assert.Single(await rig.WalkAsync()).Status);
    }

    [Fact]
    public async Task Each_warning_interval_tells_the_sender_once()
    {
        await using DispatcherRig rig = new(s_options with { WarnIntervals = [TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(200)] });
        rig.Local.Script = static (_, _) => new(DeliveryResult.Temporary("mailbox is busy"));
        List<long> told = [];
        rig.Bounces.Script = (envelope, _) =>
        {
            Assert.Equal("delayed", envelope.Bounce!.Type);
            Assert.Equal(DispatcherRig.Start + 345_600, envelope.Bounce.Of[0].Expires);
            told.Add(rig.Now - DispatcherRig.Start);
            return new(DeliveryResult.Delivered());
        };
        await rig.Dispatcher.StartAsync();
        await rig.AcceptAsync();
        await rig.Scheduler.UntilAsync("update");
        for (int n = 1; n < 7; n++)
        {
            rig.Time.SetUtcNow(DateTimeOffset.FromUnixTimeSeconds(DispatcherRig.Start + 10 * n * n));
            await rig.Scheduler.UntilAllAsync(n is 2 or 4 ? ["update", "delete"] : ["update"]);
        }

        // At 40 s the next try (90 s) would be past 60 s; at 160 s the next (250 s) past 200 s.
        Assert.Equal([40, 160], told);
    }

    [Fact]
    public async Task Success_is_told_to_those_who_asked()
    {
        await using DispatcherRig rig = new();
        await rig.Dispatcher.StartAsync();
        await rig.AcceptAsync(2, static envelope => envelope with { Notification = new() { Notify = envelope.User == "user0" ? ["success"] : ["failure"] } });
        Envelope bounce = await rig.Bounces.NextAsync();
        Assert.Equal("delivered", bounce.Bounce!.Type);
        Assert.Equal("user0@example.org", Assert.Single(bounce.Bounce.Of).Recipient);
        for (int i = 0; i < 3; i++)
            await rig.Scheduler.UntilAsync("delete");
        Assert.Equal(1, rig.Bounces.Tries);
    }

    [Fact]
    public async Task One_user_gets_so_many_deliveries_and_the_rest_is_held()
    {
        await using DispatcherRig rig = new(s_options with { Local = new() { MaxRunning = 5, MaxPerDestination = 2, HighWater = 4, LowWater = 2, Release = 2 } });
        TaskCompletionSource gate = new(TaskCreationOptions.RunContinuationsAsynchronously);
        int running = 0;
        bool tooMany = false;
        rig.Local.Script = async (envelope, _) =>
        {
            if (envelope.User == "busy" && Interlocked.Increment(ref running) > 2)
                tooMany = true;
            await gate.Task;
            if (envelope.User == "busy")
                Interlocked.Decrement(ref running);
            return DeliveryResult.Delivered();
        };
        await rig.Dispatcher.StartAsync();
        await rig.AcceptAsync(20, static envelope => envelope with { User = "busy" });
        for (int i = 0; i < 16; i++)
            await rig.Scheduler.UntilAsync("hold");
        Assert.Equal((2, 2), (rig.Counters["mda.running"].Value, rig.Counters["mda.pending"].Value));

        // Another user is not behind them.
        await rig.AcceptAsync(1, static envelope => envelope with { User = "other" });
        Envelope tried;
        do
            tried = await rig.Local.NextAsync();
        while (tried.User != "other");

        gate.SetResult();
        for (int i = 0; i < 21; i++)
            await rig.Scheduler.UntilAsync("delete");
        Assert.False(tooMany);
        Assert.Equal(0, rig.Counters["mda.envelope"].Value);
        Assert.Equal(0, rig.Counters["scheduler.envelope.inflight"].Value);
    }

    [Fact]
    public async Task A_flood_of_slow_local_deliveries_leaves_room_for_other_kinds()
    {
        await using DispatcherRig rig = new(s_options with { Local = new() { MaxRunning = 2 } });
        TaskCompletionSource gate = new(TaskCreationOptions.RunContinuationsAsynchronously);
        rig.Local.Script = async (_, _) =>
        {
            await gate.Task;
            return DeliveryResult.Temporary("slow");
        };
        int number = 0;
        await rig.AcceptAsync(6000, envelope => envelope with { User = $"user{number++ % 150}" });
        await rig.Dispatcher.StartAsync();
        await rig.Local.NextAsync();
        IReadOnlyList<Envelope> bounce = await rig.AcceptAsync(1, static envelope => envelope with { Kind = EnvelopeKind.Bounce });
        Assert.Equal(bounce[0].Id, (await rig.Bounces.NextAsync()).Id);
        await rig.Scheduler.UntilAsync("delete");
        Assert.InRange(rig.Counters["scheduler.envelope.inflight"].Value, 1, 3000);
        gate.SetResult();
    }

    [Fact]
    public async Task A_pause_stops_deliveries_until_resumed()
    {
        await using DispatcherRig rig = new();
        rig.Dispatcher.Pause(EnvelopeKinds.Mda);
        await rig.Dispatcher.StartAsync();
        await rig.AcceptAsync();
        await rig.Scheduler.UntilAsync("batch");
        Assert.Equal(EnvelopeKinds.Mda, rig.Dispatcher.Paused);
        Assert.Equal(0, rig.Local.Tries);
        rig.Dispatcher.Resume(EnvelopeKinds.Mda);
        rig.Time.Advance(TimeSpan.FromSeconds(1));
        await rig.Scheduler.UntilAsync("delete");
    }

    [Fact]
    public async Task A_stop_waits_for_what_runs()
    {
        await using DispatcherRig rig = new();
        TaskCompletionSource gate = new(TaskCreationOptions.RunContinuationsAsynchronously);
        rig.Local.Script = async (_, _) =>
        {
            await gate.Task;
            return DeliveryResult.Delivered();
        };
        await rig.Dispatcher.StartAsync();
        await rig.AcceptAsync();
        await rig.Local.NextAsync();
        Task stop = rig.Dispatcher.StopAsync(TimeSpan.FromSeconds(30));
        await rig.AcceptAsync(1, static envelope => envelope with { User = "late" });
        Assert.False(stop.IsCompleted);
        gate.SetResult();
        await stop.WaitAsync(TimeSpan.FromSeconds(60));
        Assert.Equal("late", Assert.Single(await rig.WalkAsync()).User);
    }

    [Fact]
    public async Task A_stop_cancels_at_its_deadline_and_the_try_does_not_count()
    {
        await using DispatcherRig rig = new();
        rig.Local.Script = async (_, cancellation) =>
        {
            await Task.Delay(Timeout.Infinite, cancellation);
            return DeliveryResult.Delivered();
        };
        await rig.Dispatcher.StartAsync();
        await rig.AcceptAsync();
        await rig.Local.NextAsync();
        Task stop = rig.Dispatcher.StopAsync(TimeSpan.FromSeconds(30));
        while (!stop.IsCompleted)
        {
            rig.Time.Advance(TimeSpan.FromSeconds(10));
            await Task.Yield();
        }

        Assert.Equal(0, Assert.Single(await rig.WalkAsync()).Tries);
    }

    [Fact]
    public async Task Removed_mail_is_gone_and_nobody_is_told()
    {
        await using DispatcherRig rig = new();
        rig.Dispatcher.Pause(EnvelopeKinds.Mda);
        await rig.Dispatcher.StartAsync();
        Envelope envelope = Assert.Single(await rig.AcceptAsync());
        Assert.Equal(1, await rig.Control.RemoveAsync(EnvelopeSelection.Of(envelope.Id)));
        await rig.Scheduler.UntilAsync("delete");
        Assert.Empty(await rig.WalkAsync());
        Assert.Contains(rig.Log.Lines, static line => line.StartsWith("delivery: Remove for ", StringComparison.Ordinal));
        Assert.Equal(1, rig.Counters["scheduler.envelope.removed"].Value);
    }

    [Fact]
    public async Task A_suspension_survives_a_restart_also_of_what_was_in_flight()
    {
        await using DispatcherRig rig = new();
        TaskCompletionSource gate = new(TaskCreationOptions.RunContinuationsAsynchronously);
        rig.Local.Script = async (_, _) =>
        {
            await gate.Task;
            return DeliveryResult.Temporary("later");
        };
        await rig.Dispatcher.StartAsync();
        Envelope envelope = Assert.Single(await rig.AcceptAsync());
        await rig.Local.NextAsync();
        Assert.Equal(1, await rig.Control.SuspendAsync(EnvelopeSelection.All));
        Assert.Equal(EnvelopeFlags.None, Assert.Single(await rig.WalkAsync()).Flags);
        gate.SetResult();
        await rig.Scheduler.UntilAsync("update");
        Assert.Equal(EnvelopeFlags.Suspended, Assert.Single(await rig.WalkAsync()).Flags);
        Assert.Equal(ScheduleState.Suspended, Assert.Single(await ListAsync(rig, EnvelopeSelection.Of(envelope.Id))).State);
        Assert.Equal(1, await rig.Control.ResumeAsync(EnvelopeSelection.All));
        Assert.Equal(EnvelopeFlags.None, Assert.Single(await rig.WalkAsync()).Flags);
    }

    [Fact]
    public async Task The_listing_shows_what_is_where()
    {
        await using DispatcherRig rig = new();
        rig.Local.Script = static (_, _) => new(DeliveryResult.Temporary("later"));
        await rig.Dispatcher.StartAsync();
        await rig.AcceptAsync(700, static envelope => envelope with { User = null });
        for (int i = 0; i < 700; i++)
            await rig.Scheduler.UntilAsync("update");
        IReadOnlyList<Envelope> other = await rig.AcceptAsync(2, static envelope => envelope with { Flags = EnvelopeFlags.Suspended });
        List<ListedEnvelope> all = await ListAsync(rig, EnvelopeSelection.All);
        Assert.Equal(702, all.Count);
        Assert.Equal(all.Select(static listed => listed.Envelope.Id).Order(), all.Select(static listed => listed.Envelope.Id));
        Assert.All(all, listed => Assert.Equal(listed.Envelope.Id.Message == other[0].Id.Message ? (ScheduleState.Suspended, 0) : (ScheduleState.Pending, DispatcherRig.Start + 10), (listed.State, listed.NextTry)));
        Assert.Equal(2, (await ListAsync(rig, EnvelopeSelection.Of(other[0].Id.Message))).Count);
        Assert.Equal(other[1].Id, Assert.Single(await ListAsync(rig, EnvelopeSelection.Of(other[1].Id))).Envelope.Id);
    }

    [Theory]
    [InlineData(0, "0s")]
    [InlineData(-5, "0s")]
    [InlineData(62, "1m2s")]
    [InlineData(3600, "1h")]
    [InlineData(93784, "1d2h3m4s")]
    public void Delays_are_written_as_logs_show_them(long seconds, string text) => Assert.Equal(text, DelayText.Of(seconds));

    private static async Task<List<ListedEnvelope>> ListAsync(DispatcherRig rig, EnvelopeSelection selection)
    {
        List<ListedEnvelope> all = [];
        await foreach (ListedEnvelope listed in rig.Control.ListAsync(selection))
            all.Add(listed);
        return all;
    }
}

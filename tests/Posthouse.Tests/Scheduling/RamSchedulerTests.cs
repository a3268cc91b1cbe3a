using Microsoft.Extensions.Time.Testing;
using Posthouse.Plugs;
using Posthouse.Server.Scheduling;

namespace Posthouse.Tests.Scheduling;

public class RamSchedulerTests
{
    internal const long Start = 1_700_000_000;
    private readonly FakeTimeProvider _time = new(DateTimeOffset.FromUnixTimeSeconds(Start));
    private readonly RamScheduler _scheduler;

    public RamSchedulerTests() => _scheduler = new(_time, new() { MaxInFlight = 100, MaxHeld = 3 });

    [Fact]
    public async Task A_new_envelope_is_due_once_committed()
    {
        _scheduler.Insert(New(1));
        Assert.Empty(await BatchAsync());
        _scheduler.Commit(new(1));
        Assert.Equal([new(Id(1), ScheduledAction.Deliver)], await BatchAsync());
        Assert.Empty(await BatchAsync());
    }

    [Fact]
    public async Task A_rollback_forgets_what_is_staged_and_nothing_else()
    {
        Add(New(1, 1));
        _scheduler.Insert(New(1, 2));
        _scheduler.Rollback(new(1));
        _scheduler.Commit(new(1));
        Assert.Equal([new(Id(1, 1), ScheduledAction.Deliver)], await BatchAsync());
        Assert.Equal(1, _scheduler.Count);
    }

    [Fact]
    public async Task An_envelope_that_is_known_is_not_scheduled_twice()
    {
        Add(New(1));
        await BatchAsync();
        Add(New(1));
        Assert.Empty(await BatchAsync());
    }

    [Fact]
    public async Task A_failed_try_is_repeated_by_the_arithmetic()
    {
        Add(New(1));
        foreach (int second in (int[])[10, 40, 90])
        {
            Assert.Single(await BatchAsync());
            _scheduler.Update(New(1) with { Tries = second / 10 - (second == 40 ? 2 : second == 90 ? 6 : 0) });
            _time.SetUtcNow(DateTimeOffset.FromUnixTimeSeconds(Start + second - 1));
            Assert.Empty(await BatchAsync());
            _time.SetUtcNow(DateTimeOffset.FromUnixTimeSeconds(Start + second));
        }
    }

    [Fact]
    public async Task After_a_restart_what_should_have_been_tried_is_due_at_once()
    {
        Add(New(1) with { Created = Start - 100, Tries = 3 });
        Add(New(2) with { Created = Start - 100, Tries = 4 });
        Assert.Equal([new(Id(1), ScheduledAction.Deliver)], await BatchAsync());
        _time.Advance(TimeSpan.FromSeconds(60));
        Assert.Equal([new(Id(2), ScheduledAction.Deliver)], await BatchAsync());
    }

    [Fact]
    public async Task A_poll_ends_when_something_becomes_due()
    {
        Add(New(1) with { NextTry = Start + 20 });
        Task<IReadOnlyList<ScheduledWork>> poll = _scheduler.BatchAsync(10, EnvelopeKinds.All, TimeSpan.FromMinutes(1)).AsTask();
        _time.Advance(TimeSpan.FromSeconds(19.9));
        Assert.False(poll.IsCompleted);
        _time.Advance(TimeSpan.FromSeconds(0.1));
        Assert.Single(await poll.WaitAsync(TimeSpan.FromSeconds(60)));
    }

    [Fact]
    public async Task A_poll_ends_when_something_arrives_and_after_its_wait()
    {
        Task<IReadOnlyList<ScheduledWork>> poll = _scheduler.BatchAsync(10, EnvelopeKinds.All, TimeSpan.FromMinutes(1)).AsTask();
        Add(New(1));
        Assert.Single(await poll.WaitAsync(TimeSpan.FromSeconds(60)));
        poll = _scheduler.BatchAsync(10, EnvelopeKinds.All, TimeSpan.FromMinutes(1)).AsTask();
        _time.Advance(TimeSpan.FromMinutes(1));
        Assert.Empty(await poll.WaitAsync(TimeSpan.FromSeconds(60)));
    }

    [Fact]
    public async Task A_poll_is_cancelled_and_ended_by_disposal()
    {
        using CancellationTokenSource cancel = new();
        Task<IReadOnlyList<ScheduledWork>> poll = _scheduler.BatchAsync(10, EnvelopeKinds.All, TimeSpan.FromMinutes(1), cancel.Token).AsTask();
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => poll.WaitAsync(TimeSpan.FromSeconds(60)));
        poll = _scheduler.BatchAsync(10, EnvelopeKinds.All, TimeSpan.FromMinutes(1)).AsTask();
        await _scheduler.DisposeAsync();
        Assert.Empty(await poll.WaitAsync(TimeSpan.FromSeconds(60)));
    }

    [Fact]
    public async Task No_kind_is_delayed_by_a_flood_of_another()
    {
        for (uint i = 1; i <= 90; i++)
            Add(New(i));
        Add(New(91) with { Kind = EnvelopeKind.Mta });
        Add(New(92) with { Kind = EnvelopeKind.Bounce });
        EnvelopeId[] first = [.. (await BatchAsync(6)).Select(static work => work.Envelope)];
        Assert.Contains(Id(91), first);
        Assert.Contains(Id(92), first);
        Assert.Equal(6, first.Length);
    }

    [Fact]
    public async Task Of_one_kind_the_first_come_is_the_first_served()
    {
        for (uint i = 50; i >= 1; i--)
            Add(New(i));
        Assert.Equal(Enumerable.Range(0, 50).Select(static i => Id((uint)(50 - i))), (await BatchAsync()).Select(static work => work.Envelope));
    }

    [Fact]
    public async Task A_paused_kind_is_not_delivered_but_expires_and_can_be_removed()
    {
        Add(New(1), New(2) with { Expires = Start + 5 }, New(3));
        EnvelopeKinds others = EnvelopeKinds.Mta | EnvelopeKinds.Bounce;
        Assert.Empty(await _scheduler.BatchAsync(10, others, TimeSpan.Zero));
        await _scheduler.RemoveAsync(EnvelopeSelection.Of(Id(3)));
        _time.Advance(TimeSpan.FromSeconds(5));
        Assert.Equal(
            [new(Id(2), ScheduledAction.Expire), new(Id(3), ScheduledAction.Remove)],
            (await _scheduler.BatchAsync(10, others, TimeSpan.Zero)).OrderBy(static work => work.Envelope));
    }

    [Fact]
    public async Task Expiry_is_watched_in_every_state()
    {
        for (uint i = 1; i <= 4; i++)
            Add(New(i) with { Expires = Start + 100 });
        await BatchAsync();
        _scheduler.Hold(Id(1), 77);
        _scheduler.Update(New(2) with { NextTry = Start + 500, Expires = Start + 100 });
        _scheduler.Return(Id(3));
        await _scheduler.SuspendAsync(EnvelopeSelection.Of(Id(3)));
        _time.Advance(TimeSpan.FromSeconds(100));
        Assert.Equal([1, 2, 3], (await BatchAsync()).Select(static work => (work.Action == ScheduledAction.Expire ? 1 : 1000) * (int)work.Envelope.Message.Value).Order());

        // The fourth was in flight all the time: when its try is over.
        _scheduler.Update(New(4) with { Expires = Start + 100, Tries = 1 });
        Assert.Equal([new(Id(4), ScheduledAction.Expire)], await BatchAsync());
    }

    [Fact]
    public async Task An_expiry_that_fails_is_not_repeated_at_once()
    {
        Add(New(1) with { Expires = Start });
        Assert.Equal([new(Id(1), ScheduledAction.Expire)], await BatchAsync());
        _scheduler.Update(New(1) with { Expires = Start, Tries = 1 });
        Assert.Empty(await BatchAsync());
        _time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal([new(Id(1), ScheduledAction.Expire)], await BatchAsync());
    }

    [Fact]
    public async Task Held_envelopes_wait_for_their_release()
    {
        Add(New(1), New(2), New(3), New(4));
        await BatchAsync();
        for (uint i = 1; i <= 4; i++)
            _scheduler.Hold(Id(i), 5);
        Assert.Equal(3, (await ListAsync()).Count(static entry => entry.State == ScheduleState.Held));
        Assert.Empty(await BatchAsync());
        _scheduler.Release(5, 1);
        Assert.Equal([new(Id(1), ScheduledAction.Deliver)], await BatchAsync());
        _scheduler.Release(5, null);
        Assert.Equal([new(Id(2), ScheduledAction.Deliver), new(Id(3), ScheduledAction.Deliver)], await BatchAsync());

        // The fourth found the queue full and comes again by the short arithmetic.
        _time.Advance(TimeSpan.FromSeconds(3));
        Assert.Equal([new(Id(4), ScheduledAction.Deliver)], await BatchAsync());
    }

    [Fact]
    public async Task A_failed_release_reschedules()
    {
        Add(New(1));
        await BatchAsync();
        _scheduler.Hold(Id(1), 5);
        _scheduler.Release(5, null, failed: true);
        Assert.Empty(await BatchAsync());
        _time.Advance(TimeSpan.FromSeconds(10));
        Assert.Single(await BatchAsync());
    }

    [Fact]
    public async Task A_removal_in_flight_waits_for_the_result()
    {
        Add(New(1), New(2));
        await BatchAsync();
        Assert.Equal(2, await _scheduler.RemoveAsync(EnvelopeSelection.All));
        Assert.Equal(0, await _scheduler.RemoveAsync(EnvelopeSelection.All));
        Assert.Empty(await BatchAsync());
        _scheduler.Delete(Id(1));
        _scheduler.Update(New(2) with { Tries = 1 });
        Assert.Equal([new(Id(2), ScheduledAction.Remove)], await BatchAsync());
    }

    [Fact]
    public async Task Suspended_envelopes_wait_for_an_administrator()
    {
        Add(New(1) with { Flags = EnvelopeFlags.Suspended }, New(2), New(3));
        Assert.Equal([Id(2), Id(3)], (await BatchAsync()).Select(static work => work.Envelope));
        Assert.Equal(1, await _scheduler.SuspendAsync(EnvelopeSelection.Of(new MessageId(2))));
        _scheduler.Return(Id(2));
        _scheduler.Return(Id(3));
        Assert.Equal(1, await _scheduler.ScheduleAsync(EnvelopeSelection.All));
        Assert.Equal([Id(3)], (await BatchAsync()).Select(static work => work.Envelope));
        Assert.Equal(2, await _scheduler.ResumeAsync(EnvelopeSelection.All));
        Assert.Equal([Id(1), Id(2)], (await BatchAsync()).Select(static work => work.Envelope));
    }

    [Fact]
    public async Task No_more_than_the_limit_is_in_flight()
    {
        RamScheduler scheduler = new(_time, new() { MaxInFlight = 2 });
        for (uint i = 1; i <= 3; i++)
        {
            scheduler.Insert(New(i));
            scheduler.Commit(new(i));
        }

        Assert.Equal(2, (await scheduler.BatchAsync(10, EnvelopeKinds.All, TimeSpan.Zero)).Count);
        Task<IReadOnlyList<ScheduledWork>> poll = scheduler.BatchAsync(10, EnvelopeKinds.All, TimeSpan.FromMinutes(1)).AsTask();
        Assert.False(poll.IsCompleted);
        scheduler.Delete(Id(1));
        Assert.Equal([new(Id(3), ScheduledAction.Deliver)], await poll.WaitAsync(TimeSpan.FromSeconds(60)));
    }

    [Fact]
    public async Task Listings_are_ascending_pages_without_what_is_staged()
    {
        for (uint message = 9; message >= 1; message--)
            Add(New(message, 2), New(message, 1));
        _scheduler.Insert(New(5, 3));
        _scheduler.Insert(New(77));
        List<EnvelopeId> all = [];
        EnvelopeId after = default;
        while (await _scheduler.ListEnvelopesAsync(after, 4) is { Count: > 0 } page)
        {
            all.AddRange(page.Select(static entry => entry.Envelope));
            after = page[^1].Envelope;
        }

        Assert.Equal(Enumerable.Range(0, 18).Select(static i => Id((uint)(i / 2 + 1), (uint)(i % 2 + 1))), all);
        Assert.Equal([3u, 4u, 5u], (await _scheduler.ListMessagesAsync(new(2), 3)).Select(static message => message.Value));
        Assert.Empty(await _scheduler.ListMessagesAsync(new(9), 3));
    }

    private static EnvelopeId Id(uint message, uint envelope = 1) => new((ulong)message << 32 | envelope);

    internal static ScheduledEnvelope New(uint message, uint envelope = 1) => new()
    {
        Id = Id(message, envelope),
        Kind = EnvelopeKind.Mda,
        Created = Start,
        Expires = Start + 345_600,
    };

    private void Add(params ReadOnlySpan<ScheduledEnvelope> envelopes)
    {
        foreach (ScheduledEnvelope envelope in envelopes)
        {
            _scheduler.Insert(envelope);
            _scheduler.Commit(envelope.Id.Message);
        }
    }

    private ValueTask<IReadOnlyList<ScheduledWork>> BatchAsync(int max = 100) => _scheduler.BatchAsync(max, EnvelopeKinds.All, TimeSpan.Zero);

    private ValueTask<IReadOnlyList<ScheduleEntry>> ListAsync() => _scheduler.ListEnvelopesAsync(default, 1000);
}

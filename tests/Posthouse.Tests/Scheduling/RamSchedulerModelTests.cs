using CsCheck;
using Microsoft.Extensions.Time.Testing;
using Posthouse.Plugs;
using Posthouse.Server.Scheduling;

namespace Posthouse.Tests.Scheduling;

/// <summary>The scheduler against a naive model: a dictionary that is searched from end to end.</summary>
public class RamSchedulerModelTests
{
    private const long Start = 1_700_000_000;
    private const int MaxHeld = 3;

    [Fact]
    public void It_does_what_the_naive_one_does()
    {
        Gen<(int Operation, uint Message, uint Envelope, int Number)> step =
            Gen.Select(Gen.Int[0, 13], Gen.UInt[1, 4], Gen.UInt[1, 3], Gen.Int[0, 60]);
        step.Array[0, 120].Sample(steps =>
        {
            FakeTimeProvider time = new(DateTimeOffset.FromUnixTimeSeconds(Start));
            RamScheduler scheduler = new(time, new() { MaxHeld = MaxHeld, MaxInFlight = 6 });
            Model model = new();
            foreach ((int operation, uint message, uint envelope, int number) in steps)
                Run(scheduler, model, time, operation, new((ulong)message << 32 | envelope), number);
        }, iter: 500);
    }

    private static void Run(RamScheduler scheduler, Model model, FakeTimeProvider time, int operation, EnvelopeId id, int number)
    {
        EnvelopeSelection selection = (number % 3) switch { 0 => EnvelopeSelection.All, 1 => EnvelopeSelection.Of(id.Message), _ => EnvelopeSelection.Of(id) };
        ScheduledEnvelope envelope = new()
        {
            Id = id,
            Kind = (EnvelopeKind)(id.Value % 3),
            Created = model.Now,
            Expires = model.Now + number * 2,
            Tries = number % 3,
            Flags = number % 7 == 0 ? EnvelopeFlags.Suspended : EnvelopeFlags.None,
        };
        switch (operation)
        {
            case 0:
                scheduler.Insert(envelope);
                model.Insert(envelope);
                break;
            case 1 or 2:
                scheduler.Commit(id.Message);
                model.Commit(id.Message);
                break;
            case 3:
                scheduler.Rollback(id.Message);
                model.Rollback(id.Message);
                break;
            case 4:
                envelope = envelope with { Created = model.Created(id), Flags = EnvelopeFlags.None };
                scheduler.Update(envelope);
                model.Update(envelope);
                break;
            case 5:
                scheduler.Delete(id);
                model.Delete(id);
                break;
            case 6:
                scheduler.Return(id);
                model.Return(id);
                break;
            case 7:
                scheduler.Hold(id, (ulong)number % 2);
                model.Hold(id, (ulong)number % 2);
                break;
            case 8:
                scheduler.Release((ulong)number % 2, number % 4 == 3 ? null : number % 4, number > 30);
                model.Release((ulong)number % 2, number % 4 == 3 ? int.MaxValue : number % 4, number > 30);
                break;
            case 9:
                Assert.Equal(model.Schedule(selection), Sync(scheduler.ScheduleAsync(selection)));
                break;
            case 10:
                Assert.Equal(model.Remove(selection), Sync(scheduler.RemoveAsync(selection)));
                break;
            case 11:
                Assert.Equal(model.Suspend(selection), Sync(scheduler.SuspendAsync(selection)));
                break;
            case 12:
                Assert.Equal(model.Resume(selection), Sync(scheduler.ResumeAsync(selection)));
                break;
            default:
                time.Advance(TimeSpan.FromSeconds(number));
                model.Now += number;
                break;
        }

        EnvelopeKinds kinds = (EnvelopeKinds)(number % 8);
        int max = number % 5;
        HashSet<ScheduledWork> due = model.Due(kinds);
        IReadOnlyList<ScheduledWork> batch = Sync(scheduler.BatchAsync(max, kinds, TimeSpan.Zero));
        Assert.Equal(Math.Min(Math.Min(max, due.Count), 6 - Math.Min(6, model.InFlight)), batch.Count);
        Assert.Subset(due, batch.ToHashSet());
        model.Take(batch);
        Assert.Equal(model.InFlight, scheduler.InFlight);
        Assert.Equal(model.List(), Sync(scheduler.ListEnvelopesAsync(default, 100)).Select(static entry => (entry.Envelope, entry.State)));
    }

    private static T Sync<T>(ValueTask<T> task)
    {
        Assert.True(task.IsCompleted);
        return task.Result;
    }

    private enum State { Staged, Pending, InFlight, Held, Suspended, Removed }

    private sealed class Entry
    {
        public EnvelopeKind Kind;
        public long Created, Expires, Next;
        public long? ExpiryTry;
        public int Tries, Order;
        public State State;
        public bool Suspend, Remove, Tried;
        public ulong Hold;
    }

    private sealed class Model
    {
        private readonly SortedDictionary<EnvelopeId, Entry> _entries = [];
        private int _order;

        public long Now = Start;

        public int InFlight => _entries.Values.Count(static entry => entry.State == State.InFlight);

        public long Created(EnvelopeId id) => _entries.TryGetValue(id, out Entry? entry) ? entry.Created : Start;

        public void Insert(ScheduledEnvelope envelope) => _entries.TryAdd(envelope.Id, new()
        {
            Kind = envelope.Kind,
            Created = envelope.Created,
            Expires = envelope.Expires,
            Tries = envelope.Tries,
            Next = RetryTimes.At(envelope.Created, RetryTimes.Base(envelope.Kind), envelope.Tries),
            Suspend = envelope.Flags.HasFlag(EnvelopeFlags.Suspended),
        });

        public void Commit(MessageId message)
        {
            foreach (Entry entry in Where(EnvelopeSelection.Of(message), State.Staged))
                Land(entry);
        }

        public void Rollback(MessageId message)
        {
            foreach (EnvelopeId id in _entries.Where(pair => pair.Key.Message == message && pair.Value.State == State.Staged).Select(static pair => pair.Key).ToArray())
                _entries.Remove(id);
        }

        public void Update(ScheduledEnvelope envelope)
        {
            if (!_entries.TryGetValue(envelope.Id, out Entry? entry) || entry.State != State.InFlight)
                return;
            entry.Tries = envelope.Tries;
            entry.Expires = envelope.Expires;
            entry.Next = RetryTimes.After(Now, entry.Created, RetryTimes.Base(entry.Kind), entry.Tries);
            entry.ExpiryTry = null;
            entry.Tried &= entry.Expires <= Now;
            Land(entry);
        }

        public void Delete(EnvelopeId id) => _entries.Remove(id);

        public void Return(EnvelopeId id)
        {
            if (_entries.TryGetValue(id, out Entry? entry) && entry.State == State.InFlight)
                Land(entry);
        }

        public void Hold(EnvelopeId id, ulong queue)
        {
            if (!_entries.TryGetValue(id, out Entry? entry) || entry.State != State.InFlight)
                return;
            if (!entry.Suspend && !entry.Remove && entry.Expires > Now && _entries.Values.Count(other => other.State == State.Held && other.Hold == queue) < MaxHeld)
            {
                (entry.State, entry.Hold, entry.Order) = (State.Held, queue, _order++);
                return;
            }

            entry.Next = RetryTimes.After(Now, entry.Created, RetryTimes.OverflowBase, entry.Tries);
            Land(entry);
        }

        public void Release(ulong queue, int count, bool failed)
        {
            foreach (Entry entry in _entries.Values.Where(entry => entry.State == State.Held && entry.Hold == queue).OrderBy(static entry => entry.Order).Take(count).ToArray())
            {
                if (failed)
                    entry.Next = RetryTimes.After(Now, entry.Created, RetryTimes.Base(entry.Kind), entry.Tries + 1);
                Land(entry);
            }
        }

        public int Schedule(EnvelopeSelection selection) => Where(selection, State.Pending, State.Held).Count(entry =>
        {
            entry.Next = Now;
            Land(entry);
            return true;
        });

        public int Remove(EnvelopeSelection selection) => Where(selection, State.Pending, State.Held, State.Suspended, State.InFlight).Count(entry =>
        {
            bool was = entry.Remove;
            entry.Remove = true;
            if (entry.State != State.InFlight)
                Land(entry);
            return !was;
        });

        public int Suspend(EnvelopeSelection selection) => Where(selection, State.Pending, State.Held, State.InFlight).Count(entry =>
        {
            bool was = entry.Suspend || entry.Remove;
            entry.Suspend = true;
            if (entry.State != State.InFlight)
                Land(entry);
            return !was;
        });

        public int Resume(EnvelopeSelection selection) => Where(selection, State.Suspended, State.InFlight).Count(entry =>
        {
            bool was = entry.Suspend && !entry.Remove;
            entry.Suspend = false;
            if (entry.State != State.InFlight)
                Land(entry);
            return was;
        });

        public HashSet<ScheduledWork> Due(EnvelopeKinds kinds)
        {
            HashSet<ScheduledWork> due = [];
            foreach ((EnvelopeId id, Entry entry) in _entries)
            {
                if (entry.State == State.Removed)
                    due.Add(new(id, ScheduledAction.Remove));
                else if (entry.State is State.Staged or State.InFlight)
                    continue;
                else if (entry.Expires <= Now && entry.ExpiryTry <= Now)
                    due.Add(new(id, ScheduledAction.Expire));
                else if (entry.State == State.Pending && entry.Next <= Now && ((int)kinds & 1 << (int)entry.Kind) != 0)
                    due.Add(new(id, entry.Expires <= Now ? ScheduledAction.Expire : ScheduledAction.Deliver));
            }

            return due;
        }

        public void Take(IEnumerable<ScheduledWork> batch)
        {
            foreach (ScheduledWork work in batch)
            {
                Entry entry = _entries[work.Envelope];
                entry.State = State.InFlight;
                entry.Suspend = false;
                if (work.Action == ScheduledAction.Expire)
                    (entry.ExpiryTry, entry.Tried) = (null, true);
            }
        }

        public IEnumerable<(EnvelopeId, ScheduleState)> List() =>
            _entries.Where(static pair => pair.Value.State != State.Staged).Select(static pair => (pair.Key, pair.Value.State switch
            {
                State.InFlight => ScheduleState.InFlight,
                State.Held => ScheduleState.Held,
                State.Suspended => ScheduleState.Suspended,
                _ => ScheduleState.Pending,
            }));

        private Entry[] Where(EnvelopeSelection selection, params State[] states) =>
            [.. _entries.Where(pair => selection.Contains(pair.Key) && states.Contains(pair.Value.State)).Select(static pair => pair.Value)];

        private void Land(Entry entry)
        {
            entry.State = entry.Remove ? State.Removed : entry.Suspend ? State.Suspended : State.Pending;
            // An expiry that has been tried waits for the next try; one seen for the first time does not.
            entry.ExpiryTry ??= entry.Tried ? entry.Next : entry.Expires;
        }
    }
}

using Posthouse.Plugs;

namespace Posthouse.Server.Scheduling;

/// <summary>
/// The default scheduler, in memory. About 100 bytes per envelope and no object: slots in pages, an index by id, a heap
/// of due times per kind, one heap of expiry times for all states, and one of what an administrator removed.
/// </summary>
/// <remarks>
/// A batch takes one envelope at a time from five sources in turn (removed, expired, mda, mta, bounce), so that a flood
/// of one kind delays no other. An envelope is in the heap of expiry times from its commit to its end, except while
/// removed; one that expires in flight is expired when its try is over, and one whose expiry could not be recorded at
/// its next try (<see cref="Slot.Expires"/> is 0 from then on). Removals and expiries are handed out whatever
/// kinds are asked for, since they try nothing.
/// </remarks>
public sealed partial class RamScheduler : IScheduler
{
    private const int Kinds = 3;
    private const int RemovedSource = Kinds;
    private const int ExpiredSource = Kinds + 1;
    private const int Sources = Kinds + 2;

    private static readonly TimeSpan s_longestSleep = TimeSpan.FromHours(1);

    private readonly Lock _lock = new();
    private readonly TimeProvider _time;
    private RamSchedulerOptions _options;
    private readonly SlotPool _slots = new();
    private readonly EnvelopeIndex _index = new();
    private readonly EventHeap[] _due;
    private readonly EventHeap _removed;
    private readonly EventHeap _expiry;
    private readonly HoldQueues _held;
    private readonly List<TaskCompletionSource> _waiters = [];
    private int _source;
    private bool _disposed;

    /// <summary>An empty scheduler.</summary>
    public RamScheduler(TimeProvider time, RamSchedulerOptions? options = null)
    {
        _time = time;
        _options = options ?? new();
        _due = [new(_slots, false), new(_slots, false), new(_slots, false)];
        _removed = new(_slots, false);
        _expiry = new(_slots, true);
        _held = new(_slots, _options.MaxHeld);
    }

    /// <summary>How many envelopes it knows, staged ones included.</summary>
    public int Count
    {
        get
        {
            lock (_lock)
                return _index.Count;
        }
    }

    /// <summary>How many envelopes may be handed out at once; more that are out already stay so.</summary>
    public int MaxInFlight
    {
        get => _options.MaxInFlight;
        set
        {
            lock (_lock)
            {
                _options = _options with { MaxInFlight = value };
                Wake();
            }
        }
    }

    /// <summary>How many envelopes are handed out.</summary>
    public int InFlight { get; private set; }

    private uint Now => Seconds(_time.GetUtcNow().ToUnixTimeSeconds());

    /// <summary>Stages an envelope; one that is known already is left as it is.</summary>
    public void Insert(ScheduledEnvelope envelope)
    {
        lock (_lock)
        {
            int number = _slots.Take();
            if (!_index.TryAdd(envelope.Id.Value, number))
            {
                _slots.Free(number);
                return;
            }

            ref Slot slot = ref _slots[number];
            slot.Id = envelope.Id.Value;
            slot.Kind = (byte)envelope.Kind;
            slot.State = envelope.Flags.HasFlag(EnvelopeFlags.Suspended) ? SlotState.StagedSuspended : SlotState.Staged;
            slot.Created = Seconds(envelope.Created);
            slot.Expires = Math.Max(1, Seconds(envelope.Expires));
            slot.Tries = (ushort)Math.Clamp(envelope.Tries, 0, ushort.MaxValue);
            slot.Next = Seconds(envelope.NextTry != 0 ? envelope.NextTry : RetryTimes.At(envelope.Created, RetryTimes.Base(envelope.Kind), envelope.Tries));
        }
    }

    /// <inheritdoc/>
    public void Commit(MessageId message)
    {
        lock (_lock)
        {
            foreach (int number in SlotsOf(message))
            {
                if (_slots[number].State == SlotState.Staged)
                    MakePending(number);
                else if (_slots[number].State == SlotState.StagedSuspended)
                    MakeSuspended(number);
            }

            Wake();
        }
    }

    /// <inheritdoc/>
    public void Rollback(MessageId message)
    {
        lock (_lock)
        {
            foreach (int number in SlotsOf(message).ToArray())
            {
                if (_slots[number].State is SlotState.Staged or SlotState.StagedSuspended)
                    Forget(number);
            }
        }
    }

    /// <inheritdoc/>
    public void Update(ScheduledEnvelope envelope)
    {
        lock (_lock)
        {
            if (!TryInFlight(envelope.Id, out int number))
                return;
            ref Slot slot = ref _slots[number];
            slot.Tries = (ushort)Math.Clamp(envelope.Tries, 0, ushort.MaxValue);
            if (slot.Expires != 0 || envelope.Expires > Now)
                slot.Expires = Math.Max(1, Seconds(envelope.Expires));
            slot.Next = envelope.NextTry != 0 ? Seconds(envelope.NextTry) : NextTry(ref slot, RetryTimes.Base((EnvelopeKind)slot.Kind), slot.Tries);
            if (slot.ExpiryPosition != Slot.None)
                _expiry.Remove(number);
            if (slot.State == SlotState.InFlight && envelope.Flags.HasFlag(EnvelopeFlags.Suspended))
                slot.State = SlotState.InFlightThenSuspended;
            Land(number);
        }
    }

    /// <inheritdoc/>
    public void Delete(EnvelopeId envelope)
    {
        lock (_lock)
        {
            if (!_index.TryFind(envelope.Value, out int number))
                return;
            bool wasFull = InFlight >= _options.MaxInFlight;
            Forget(number);
            if (wasFull)
                Wake();
        }
    }

    /// <inheritdoc/>
    public void Return(EnvelopeId envelope)
    {
        lock (_lock)
        {
            if (TryInFlight(envelope, out int number))
                Land(number);
        }
    }

    /// <summary>Keeps an envelope aside; when the hold queue is full it is tried again soon instead.</summary>
    public void Hold(EnvelopeId envelope, ulong holdQueue)
    {
        lock (_lock)
        {
            if (!TryInFlight(envelope, out int number))
                return;
            ref Slot slot = ref _slots[number];
            if (slot.State == SlotState.InFlight && slot.Expires > Now && _held.TryAdd(number, holdQueue))
            {
                InFlight--;
                slot.State = SlotState.Held;
                WatchExpiry(number);
                Wake();
                return;
            }

            slot.Next = NextTry(ref slot, RetryTimes.OverflowBase, slot.Tries);
            Land(number);
        }
    }

    /// <inheritdoc/>
    public void Release(ulong holdQueue, int? count, bool failed = false)
    {
        lock (_lock)
        {
            for (int released = 0; (count is null || released < count) && _held.TryPeek(holdQueue, out int number); released++)
            {
                ref Slot slot = ref _slots[number];
                _held.Remove(number);
                if (failed)
                    slot.Next = NextTry(ref slot, RetryTimes.Base((EnvelopeKind)slot.Kind), slot.Tries + 1);
                MakePending(number);
            }

            Wake();
        }
    }

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<ScheduledWork>> BatchAsync(int max, EnvelopeKinds kinds, TimeSpan wait, CancellationToken cancellation = default)
    {
        long started = _time.GetTimestamp();
        while (true)
        {
            cancellation.ThrowIfCancellationRequested();
            TaskCompletionSource woken = new(TaskCreationOptions.RunContinuationsAsynchronously);
            TimeSpan sleep;
            lock (_lock)
            {
                List<ScheduledWork> work = Collect(max, kinds);
                sleep = wait - _time.GetElapsedTime(started);
                if (work.Count > 0 || sleep <= TimeSpan.Zero || _disposed)
                    return work;
                TimeSpan untilEvent = UntilNextEvent(kinds);
                if (untilEvent < sleep)
                    sleep = untilEvent;
                _waiters.Add(woken);
            }

            try
            {
                using ITimer timer = _time.CreateTimer(static woken => ((TaskCompletionSource)woken!).TrySetResult(), woken, sleep, Timeout.InfiniteTimeSpan);
                using CancellationTokenRegistration registration = cancellation.UnsafeRegister(static woken => ((TaskCompletionSource)woken!).TrySetResult(), woken);
                await woken.Task;
            }
            finally
            {
                lock (_lock)
                    _waiters.Remove(woken);
            }
        }
    }

    /// <summary>Ends every wait with nothing.</summary>
    public ValueTask DisposeAsync()
    {
        lock (_lock)
        {
            _disposed = true;
            Wake();
        }

        return ValueTask.CompletedTask;
    }

    private static uint Seconds(long time) => (uint)Math.Clamp(time, 0, uint.MaxValue - 1);

    private static ulong LastOf(MessageId message) => message.IsNone ? 0 : (ulong)message.Value << 32 | uint.MaxValue;

    private List<ScheduledWork> Collect(int max, EnvelopeKinds kinds)
    {
        List<ScheduledWork> work = [];
        uint now = Now;
        int barren = 0;
        while (work.Count < max && barren < Sources && InFlight < _options.MaxInFlight)
        {
            bool found = TryTake(_source, kinds, now, out ScheduledWork taken);
            if (found)
                work.Add(taken);
            barren = found ? 0 : barren + 1;
            _source = (_source + 1) % Sources;
        }

        return work;
    }

    private bool TryTake(int source, EnvelopeKinds kinds, uint now, out ScheduledWork work)
    {
        work = default;
        if (source == ExpiredSource)
            DropExpiredInFlight(now);
        else if (source < Kinds && ((int)kinds & 1 << source) == 0)
            return false;

        EventHeap heap = source switch { RemovedSource => _removed, ExpiredSource => _expiry, _ => _due[source] };
        if (heap.FirstTime > now)
            return false;
        int number = heap.First;
        ref Slot slot = ref _slots[number];
        Unlink(number);
        work = new(new(slot.Id), source == RemovedSource ? ScheduledAction.Remove : slot.Expires <= now ? ScheduledAction.Expire : ScheduledAction.Deliver);
        slot.State = source == RemovedSource ? SlotState.InFlightThenRemoved : SlotState.InFlight;
        if (work.Action == ScheduledAction.Expire)
        {
            slot.Expires = 0;
            _expiry.Remove(number);
        }

        InFlight++;
        return true;
    }

    // An envelope in flight waits for its result before it expires; Land puts it back.
    private void DropExpiredInFlight(uint now)
    {
        while (_expiry.FirstTime <= now && _slots[_expiry.First].State is SlotState.InFlight or SlotState.InFlightThenSuspended or SlotState.InFlightThenRemoved)
            _expiry.Remove(_expiry.First);
    }

    private TimeSpan UntilNextEvent(EnvelopeKinds kinds)
    {
        if (InFlight >= _options.MaxInFlight)
            return s_longestSleep;
        uint first = Math.Min(_expiry.FirstTime, _removed.FirstTime);
        for (int kind = 0; kind < Kinds; kind++)
        {
            if (((int)kinds & 1 << kind) != 0)
                first = Math.Min(first, _due[kind].FirstTime);
        }

        // Timers count whole milliseconds: rounded down they would fire just before the event.
        double milliseconds = Math.Ceiling((DateTimeOffset.FromUnixTimeSeconds(first) - _time.GetUtcNow()).TotalMilliseconds);
        return TimeSpan.FromMilliseconds(Math.Clamp(milliseconds, 0, s_longestSleep.TotalMilliseconds));
    }

    private uint NextTry(ref Slot slot, int baseSeconds, int tries) => Seconds(RetryTimes.After(Now, slot.Created, baseSeconds, tries));

    private bool TryInFlight(EnvelopeId envelope, out int number) =>
        _index.TryFind(envelope.Value, out number) && _slots[number].State is SlotState.InFlight or SlotState.InFlightThenSuspended or SlotState.InFlightThenRemoved;

    /// <summary>Puts an envelope whose try is over where it belongs now.</summary>
    private void Land(int number)
    {
        InFlight--;
        if (_slots[number].State == SlotState.InFlightThenRemoved)
            MakeRemoved(number);
        else if (_slots[number].State == SlotState.InFlightThenSuspended)
            MakeSuspended(number);
        else
            MakePending(number);
        Wake();
    }

    private void MakePending(int number)
    {
        ref Slot slot = ref _slots[number];
        slot.State = SlotState.Pending;
        _due[slot.Kind].Push(number, slot.Next);
        WatchExpiry(number);
    }

    private void MakeSuspended(int number)
    {
        _slots[number].State = SlotState.Suspended;
        WatchExpiry(number);
    }

    private void MakeRemoved(int number)
    {
        ref Slot slot = ref _slots[number];
        slot.State = SlotState.Removed;
        if (slot.ExpiryPosition != Slot.None)
            _expiry.Remove(number);
        _removed.Push(number, 0);
    }

    private void WatchExpiry(int number)
    {
        ref Slot slot = ref _slots[number];
        if (slot.ExpiryPosition == Slot.None)
            _expiry.Push(number, slot.Expires != 0 ? slot.Expires : slot.Next);
    }

    /// <summary>Takes a slot out of what its state puts it into, but for the expiry heap.</summary>
    private void Unlink(int number)
    {
        ref Slot slot = ref _slots[number];
        if (slot.State == SlotState.Pending)
            _due[slot.Kind].Remove(number);
        else if (slot.State == SlotState.Held)
            _held.Remove(number);
        else if (slot.State == SlotState.Removed)
            _removed.Remove(number);
    }

    private void Forget(int number)
    {
        ref Slot slot = ref _slots[number];
        Unlink(number);
        if (slot.State is SlotState.InFlight or SlotState.InFlightThenSuspended or SlotState.InFlightThenRemoved)
            InFlight--;
        if (slot.ExpiryPosition != Slot.None)
            _expiry.Remove(number);
        _index.Remove(slot.Id);
        _slots.Free(number);
    }

    private IEnumerable<int> SlotsOf(MessageId message)
    {
        ulong id = (ulong)message.Value << 32;
        while (_index.TryNext(id, out id, out int number) && id >> 32 == message.Value)
            yield return number;
    }

    private void Wake()
    {
        foreach (TaskCompletionSource waiter in _waiters)
            waiter.TrySetResult();
        _waiters.Clear();
    }
}

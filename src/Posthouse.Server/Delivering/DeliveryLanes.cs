using Posthouse.Plugs;

namespace Posthouse.Server.Delivering;

/// <summary>
/// Envelopes of one kind that are loaded and wait for room, a lane per destination. Lanes with room take turns, so one
/// destination with much mail delays no other. A lane that is full has further envelopes held by the scheduler and asks
/// for them when it runs low. Thread-safe.
/// </summary>
/// <param name="limits">How much runs at once.</param>
/// <param name="scheduler">Keeps what finds no room.</param>
/// <param name="holdQueues">Distinguishes the hold queues of these lanes from those of other kinds: the upper bits of their numbers.</param>
/// <param name="start">Starts a delivery without blocking; its end is told by <see cref="Finish"/>.</param>
/// <param name="changed">Called, one call at a time, when the numbers have changed.</param>
internal sealed class DeliveryLanes(
    LaneLimits limits, IScheduler scheduler, ulong holdQueues, Action<DeliveryLanes.Lane, Envelope> start, Action<DeliveryLanes> changed)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Lane> _lanes = new(StringComparer.Ordinal);
    private readonly Queue<Lane> _turns = new();
    private LaneLimits _limits = limits;
    private ulong _lastHoldQueue = holdQueues << 56;
    private int _running;
    private int _waiting;

    /// <summary>How many deliveries run; exact in <c>changed</c>, elsewhere a moment old.</summary>
    public int Running => _running;

    /// <summary>How many envelopes wait for room.</summary>
    public int Waiting => _waiting;

    /// <summary>How many destinations have work.</summary>
    public int Count => _lanes.Count;

    /// <summary>Changes the limits; what runs goes on.</summary>
    public void Limit(LaneLimits limits)
    {
        lock (_lock)
        {
            _limits = limits;
            foreach (Lane lane in _lanes.Values)
                GiveTurn(lane);
            StartNext();
        }
    }

    /// <summary>Takes an envelope in flight: starts it or lets it wait; false when it went to the scheduler's hold queue.</summary>
    public bool Submit(string destination, Envelope envelope)
    {
        lock (_lock)
        {
            if (!_lanes.TryGetValue(destination, out Lane? lane))
                _lanes[destination] = lane = new(destination, ++_lastHoldQueue);
            if (lane.Waiting.Count + lane.Running >= _limits.HighWater)
            {
                lane.Held++;
                scheduler.Hold(envelope.Id, lane.HoldQueue);
                return false;
            }

            lane.Waiting.Enqueue(envelope);
            _waiting++;
            GiveTurn(lane);
            StartNext();
            changed(this);
            return true;
        }
    }

    /// <summary>A delivery of this lane is over.</summary>
    public void Finish(Lane lane)
    {
        lock (_lock)
        {
            lane.Running--;
            _running--;
            GiveTurn(lane);
            AskForHeld(lane);
            StartNext();
            if (lane.Running == 0 && lane.Waiting.Count == 0)
                _lanes.Remove(lane.Destination);
            changed(this);
        }
    }

    /// <summary>Gives up all that wait, and has the scheduler release what it holds for these lanes.</summary>
    public List<Envelope> Drain()
    {
        lock (_lock)
        {
            List<Envelope> drained = [];
            foreach (Lane lane in _lanes.Values)
            {
                drained.AddRange(lane.Waiting);
                lane.Waiting.Clear();
                if (lane.Held > 0)
                    scheduler.Release(lane.HoldQueue, null);
                lane.Held = 0;
            }

            foreach (string idle in _lanes.Where(static pair => pair.Value.Running == 0).Select(static pair => pair.Key).ToArray())
                _lanes.Remove(idle);
            _waiting = 0;
            changed(this);
            return drained;
        }
    }

    // Held counts what this lane put aside; some of it may have expired or been removed since, so the last one out asks for all.
    private void AskForHeld(Lane lane)
    {
        int here = lane.Waiting.Count + lane.Running;
        if (lane.Held == 0 || here > _limits.LowWater)
            return;
        int? count = here == 0 ? null : _limits.Release;
        scheduler.Release(lane.HoldQueue, count);
        lane.Held = Math.Max(0, lane.Held - (count ?? lane.Held));
    }

    private void GiveTurn(Lane lane)
    {
        if (lane.HasTurn || lane.Waiting.Count == 0 || lane.Running >= _limits.MaxPerDestination)
            return;
        lane.HasTurn = true;
        _turns.Enqueue(lane);
    }

    private void StartNext()
    {
        while (_running < _limits.MaxRunning && _turns.TryDequeue(out Lane? lane))
        {
            lane.HasTurn = false;
            if (!lane.Waiting.TryDequeue(out Envelope? envelope))
                continue;
            _waiting--;
            _running++;
            lane.Running++;
            GiveTurn(lane);
            start(lane, envelope);
        }
    }

    /// <summary>One destination's envelopes.</summary>
    internal sealed class Lane(string destination, ulong holdQueue)
    {
        public string Destination { get; } = destination;
        public ulong HoldQueue { get; } = holdQueue;
        public Queue<Envelope> Waiting { get; } = new();
        public int Running;
        public int Held;
        public bool HasTurn;
    }
}

using Microsoft.Extensions.Logging;
using Posthouse.Plugs;
using Posthouse.Server.Model;
using Posthouse.Server.Queueing;

namespace Posthouse.Server.Delivering;

/// <summary>
/// Takes what the scheduler hands out, loads it, has it delivered within the limits of its lane, and records the result.
/// Nothing that one envelope does (a load that fails, a delivery that throws) stops the others.
/// </summary>
/// <remarks>
/// From the scheduler an envelope goes to a lane (<see cref="DeliveryLanes"/>), from there to its <see cref="IDelivery"/>
/// on a thread of the pool, and ends in <see cref="Settlement"/>. The lane is free again before the result is recorded,
/// because that may wait for the disk; the scheduler's limit of envelopes in flight bounds the whole.
/// </remarks>
public sealed class Dispatcher : IAsyncDisposable
{
    private const int MaxLoads = 32;

    // While so many local deliveries wait for room no more are asked for: they would use up what may be in flight, and
    // relays and bounces would wait behind them.
    private const int MaxWaiting = 2500;
    private static readonly TimeSpan s_wait = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan s_waitPaused = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_waitFull = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan s_reload = TimeSpan.FromSeconds(10);

    private readonly MailQueue _queue;
    private readonly IScheduler _scheduler;
    private readonly IReadOnlyDictionary<EnvelopeKind, IDelivery> _deliveries;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Settlement _settlement;
    private readonly InFlightRecord? _record;
    private readonly DeliveryLanes _local;
    private readonly DeliveryLanes _others;
    private readonly SemaphoreSlim _loads = new(MaxLoads);
    private readonly CancellationTokenSource _stop = new();
    private readonly CancellationTokenSource _giveUp = new();
    private readonly TaskCompletionSource _idle = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Counter _inFlight;
    private readonly Counter _envelopes;
    private readonly Counter _localEnvelopes;
    private readonly Counter _localRunning;
    private readonly Counter _localPending;
    private readonly Counter _localUsers;
    private Task _loop = Task.CompletedTask;
    private int _paused;

    // One for the dispatcher itself until it stops, and one for each envelope that is being worked on outside a lane's waiting line.
    private int _active = 1;

    /// <summary>A dispatcher that does nothing until started.</summary>
    /// <param name="queue">Where the mail is.</param>
    /// <param name="scheduler">Says what is due; filled by <see cref="StartAsync"/>.</param>
    /// <param name="deliveries">How each kind leaves. A kind without one is deferred (4.3.5) and expires.</param>
    /// <param name="options">What the configuration says.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">Gets a line per try.</param>
    /// <param name="counters">Gets the counters <c>mda.*</c>, <c>scheduler.*</c>, <c>queue.bounce</c>.</param>
    /// <param name="record">Remembers what is in flight, beyond a crash; stays the caller's. Null: nothing does.</param>
    public Dispatcher(
        MailQueue queue, IScheduler scheduler, IReadOnlyDictionary<EnvelopeKind, IDelivery> deliveries, DispatcherOptions options, TimeProvider time, ILogger logger, Counters counters,
        InFlightRecord? record = null)
    {
        _queue = queue;
        _scheduler = scheduler;
        _deliveries = deliveries;
        _time = time;
        _logger = logger;
        _record = record;
        _settlement = new(queue, scheduler, time, logger, counters, record) { Options = options };
        _local = new(options.Local, scheduler, 1, StartLocal, Gauge);
        _others = new(LaneLimits.Open, scheduler, 2, StartOther, static _ => { });
        _inFlight = counters["scheduler.envelope.inflight"];
        _envelopes = counters["scheduler.envelope"];
        _localEnvelopes = counters["mda.envelope"];
        _localRunning = counters["mda.running"];
        _localPending = counters["mda.pending"];
        _localUsers = counters["mda.user"];
    }

    /// <summary>What the configuration says; may be replaced at any time.</summary>
    public DispatcherOptions Options
    {
        get => _settlement.Options;
        set
        {
            _settlement.Options = value;
            _local.Limit(value.Local);
        }
    }

    /// <summary>The kinds that are not delivered now.</summary>
    public EnvelopeKinds Paused => (EnvelopeKinds)Volatile.Read(ref _paused);

    internal IScheduler Scheduler => _scheduler;

    internal MailQueue Queue => _queue;

    internal Settlement Settlement => _settlement;

    internal InFlightRecord? Record => _record;

    /// <summary>Fills the scheduler from the queue and begins to deliver; answers how many envelopes were found.</summary>
    /// <exception cref="IOException">The store cannot be walked.</exception>
    public async Task<long> StartAsync(CancellationToken cancellation = default)
    {
        // Mail that is accepted during the walk comes by the event; the scheduler ignores what it knows.
        _queue.Committed += Insert;
        long envelopes = 0;
        long messages = 0;
        MessageId message = default;
        await foreach (Envelope envelope in _queue.WalkAsync(default, cancellation))
        {
            if (envelope.Id.Message != message)
            {
                if (!message.IsNone)
                    _scheduler.Commit(message);
                message = envelope.Id.Message;
                messages++;
            }

            _scheduler.Insert(ScheduledEnvelope.From(_record?.Suspended.Contains(envelope.Id) == true ? await SuspendAsync(envelope) : envelope));
            envelopes++;
        }

        if (!message.IsNone)
            _scheduler.Commit(message);
        _envelopes.Add(envelopes);
        DeliveringLog.Found(_logger, envelopes, messages);
        _loop = Task.Run(LoopAsync, CancellationToken.None);
        return envelopes;
    }

    /// <summary>Stops delivering <paramref name="kinds"/>: running deliveries end, no other begins.</summary>
    public void Pause(EnvelopeKinds kinds)
    {
        Interlocked.Or(ref _paused, (int)(kinds & EnvelopeKinds.All));
        if (kinds.HasFlag(EnvelopeKinds.Mda))
            ReturnAll(_local);
        if ((kinds & ~EnvelopeKinds.Mda) != 0)
            ReturnAll(_others);
    }

    /// <summary>Delivers <paramref name="kinds"/> again, within a second.</summary>
    public void Resume(EnvelopeKinds kinds) => Interlocked.And(ref _paused, ~(int)kinds);

    /// <summary>
    /// Begins nothing new, and gives what runs until <paramref name="deadline"/> to end; then it is cancelled. Whatever was
    /// not recorded is tried again after the next start.
    /// </summary>
    public async Task StopAsync(TimeSpan deadline)
    {
        if (_stop.IsCancellationRequested)
            return;
        await _stop.CancelAsync();
        _queue.Committed -= Insert;
        await _loop;
        ReturnAll(_local);
        ReturnAll(_others);
        Leave();
        using (ITimer timer = _time.CreateTimer(_ => _giveUp.Cancel(), null, deadline, Timeout.InfiniteTimeSpan))
        {
            TaskCompletionSource gaveUp = new(TaskCreationOptions.RunContinuationsAsynchronously);
            using CancellationTokenRegistration registration = _giveUp.Token.Register(() => gaveUp.TrySetResult());
            await Task.WhenAny(_idle.Task, gaveUp.Task);
        }

        // A delivery that does not heed its cancellation is left behind; its process or connection dies with ours.
        if (!_idle.Task.IsCompleted && await Task.WhenAny(_idle.Task, Task.Delay(s_waitPaused, _time)) != _idle.Task)
            DeliveringLog.GaveUp(_logger, Volatile.Read(ref _active), (int)deadline.TotalSeconds);
    }

    /// <summary>Stops at once.</summary>
    public async ValueTask DisposeAsync() => await StopAsync(TimeSpan.Zero);

    // From now on the mark in the queue keeps it; were it counted further, it would be suspended again whenever it is resumed.
    private async ValueTask<Envelope> SuspendAsync(Envelope envelope)
    {
        Envelope suspended = envelope with { Flags = Settlement.Suspend(envelope.Flags, true) };
        await _queue.UpdateAsync(suspended);
        _record!.Acquit(envelope.Id);
        DeliveringLog.Suspended(_logger, envelope.Id, InFlightRecord.MaxCrashes);
        return suspended;
    }

    private void Insert(IReadOnlyList<Envelope> envelopes)
    {
        foreach (Envelope envelope in envelopes)
            _scheduler.Insert(ScheduledEnvelope.From(envelope));
        _envelopes.Add(envelopes.Count);
        if (envelopes.Count > 0)
            _scheduler.Commit(envelopes[0].Id.Message);
    }

    private async Task LoopAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                EnvelopeKinds paused = Paused;
                bool isFull = _local.Waiting >= MaxWaiting;
                EnvelopeKinds kinds = EnvelopeKinds.All & ~paused & ~(isFull ? EnvelopeKinds.Mda : EnvelopeKinds.None);
                TimeSpan wait = isFull ? s_waitFull : paused == EnvelopeKinds.None ? s_wait : s_waitPaused;
                IReadOnlyList<ScheduledWork> batch = await _scheduler.BatchAsync(Options.BatchSize, kinds, wait, _stop.Token);
                for (int i = 0; i < batch.Count; i++)
                {
                    _inFlight.Add();
                    await BeginAsync(batch[i]);
                }
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception exception)
            {
                DeliveringLog.SchedulerFailed(_logger, exception);
                await Task.Delay(s_waitPaused, _time, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    // The first delivery finds its envelope in memory; what must be read is read beside the loop, a few at a time.
    private ValueTask BeginAsync(ScheduledWork work)
    {
        Interlocked.Increment(ref _active);
        ValueTask<(QueueResult Result, Envelope? Envelope)> load = _queue.LoadAsync(work.Envelope);
        if (!load.IsCompletedSuccessfully)
            return BeginLaterAsync(work, load);
        Begin(work, load.Result);
        return ValueTask.CompletedTask;
    }

    private async ValueTask BeginLaterAsync(ScheduledWork work, ValueTask<(QueueResult Result, Envelope? Envelope)> load)
    {
        await _loads.WaitAsync(_stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (_stop.IsCancellationRequested)
            Return(work.Envelope);
        else
            _ = LoadAsync();

        async Task LoadAsync()
        {
            (QueueResult, Envelope?) loaded;
            try
            {
                loaded = await load;
            }
            catch (Exception exception)
            {
                loaded = (QueueResult.Error(exception.Message), null);
            }
            finally
            {
                _loads.Release();
            }

            Begin(work, loaded);
        }
    }

    private void Begin(ScheduledWork work, (QueueResult Result, Envelope? Envelope) loaded)
    {
        if (work.Action == ScheduledAction.Remove)
            _ = EndAsync(_settlement.RemoveAsync(work.Envelope, loaded.Envelope));
        else if (loaded.Result.Status == QueueStatus.NotFound)
        {
            DeliveringLog.Gone(_logger, work.Envelope);
            _settlement.Forget(work.Envelope);
            _inFlight.Add(-1);
            Leave();
        }
        else if (loaded.Envelope is not { } envelope)
            _ = ReturnLaterAsync(work.Envelope, loaded.Result.Message);
        else if (work.Action == ScheduledAction.Expire)
            _ = EndAsync(_settlement.ExpireAsync(envelope));
        else if (_stop.IsCancellationRequested || (Paused & Kinds(envelope.Kind)) != 0)
            Return(envelope.Id);
        else
        {
            bool isLocal = envelope.Kind == EnvelopeKind.Mda;
            DeliveryLanes lanes = isLocal ? _local : _others;
            if (!lanes.Submit(isLocal ? envelope.User ?? "" : envelope.Kind == EnvelopeKind.Bounce ? "bounce" : "relay", envelope))
                _inFlight.Add(-1);
            Leave();
        }
    }

    private void StartLocal(DeliveryLanes.Lane lane, Envelope envelope) => Start(_local, lane, envelope);

    private void StartOther(DeliveryLanes.Lane lane, Envelope envelope) => Start(_others, lane, envelope);

    private void Start(DeliveryLanes lanes, DeliveryLanes.Lane lane, Envelope envelope)
    {
        Interlocked.Increment(ref _active);
        ThreadPool.UnsafeQueueUserWorkItem(static work => _ = work.Dispatcher.DeliverAsync(work.Lanes, work.Lane, work.Envelope), (Dispatcher: this, Lanes: lanes, Lane: lane, Envelope: envelope), false);
    }

    private async Task DeliverAsync(DeliveryLanes lanes, DeliveryLanes.Lane lane, Envelope envelope)
    {
        DeliveryResult? result = null;
        int slot = _record?.Enter(envelope.Id) ?? -1;
        try
        {
            result = _deliveries.TryGetValue(envelope.Kind, out IDelivery? delivery)
                ? await delivery.DeliverAsync(envelope, _giveUp.Token)
                : DeliveryResult.Temporary("Relaying is not available", 3, 5);
        }
        catch (OperationCanceledException) when (_giveUp.IsCancellationRequested)
        {
            // The server stops; the try does not count.
        }
        catch (Exception exception)
        {
            DeliveringLog.DeliveryThrew(_logger, envelope.Id, exception);
            result = DeliveryResult.Temporary("Internal error", 3);
        }

        lanes.Finish(lane);
        if (result is null)
        {
            _record?.Leave(slot);
            Return(envelope.Id);
            return;
        }

        _inFlight.Add(-1);
        await _settlement.SettleAsync(envelope, result);
        _record?.Leave(slot);
        Leave();
    }

    private async Task EndAsync(ValueTask settled)
    {
        await settled;
        _inFlight.Add(-1);
        Leave();
    }

    // A store that fails now may serve later: without this pause the scheduler would hand the envelope out again at once.
    private async Task ReturnLaterAsync(EnvelopeId id, string? reason)
    {
        Task pause = Task.Delay(s_reload, _time, _stop.Token);
        DeliveringLog.NotLoaded(_logger, id, reason);
        await pause.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Return(id);
    }

    private void ReturnAll(DeliveryLanes lanes)
    {
        foreach (Envelope envelope in lanes.Drain())
        {
            _scheduler.Return(envelope.Id);
            _inFlight.Add(-1);
        }
    }

    private void Return(EnvelopeId id)
    {
        _scheduler.Return(id);
        _inFlight.Add(-1);
        Leave();
    }

    private void Leave()
    {
        if (Interlocked.Decrement(ref _active) == 0)
            _idle.TrySetResult();
    }

    private void Gauge(DeliveryLanes lanes)
    {
        _localEnvelopes.Set(lanes.Running + lanes.Waiting);
        _localRunning.Set(lanes.Running);
        _localPending.Set(lanes.Waiting);
        _localUsers.Set(lanes.Count);
    }

    private static EnvelopeKinds Kinds(EnvelopeKind kind) => (EnvelopeKinds)(1 << (int)kind);
}

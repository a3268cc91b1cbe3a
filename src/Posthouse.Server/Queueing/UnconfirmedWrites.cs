using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.Logging;
using Posthouse.Plugs;
using Posthouse.Server.Model;

namespace Posthouse.Server.Queueing;

/// <summary>
/// Updates and deletes of envelopes that the store refused. Each is kept and repeated until the store takes it, from one
/// second to a minute apart; a later write to the same envelope replaces it. Bounded by making callers wait: whoever
/// would add one more than fits holds its delivery slot until there is room, so that a store which is away stops deliveries by itself.
/// </summary>
internal sealed class UnconfirmedWrites : IAsyncDisposable
{
    private static readonly TimeSpan s_firstDelay = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_longestDelay = TimeSpan.FromMinutes(1);

    private readonly IQueue _store;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Counter _count;
    private readonly ConcurrentDictionary<EnvelopeId, Write> _writes = new();
    private readonly SemaphoreSlim _room;
    private readonly SemaphoreSlim _work = new(0);
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _repeating;

    /// <summary>What is to be done to an envelope; a null <see cref="Json"/> deletes it. Compared by identity: a newer write is another one.</summary>
    internal sealed class Write(byte[]? json, Envelope? envelope)
    {
        public byte[]? Json => json;

        public Envelope? Envelope => envelope;

        public string Operation => json is null ? "delete" : "update";
    }

    public UnconfirmedWrites(IQueue store, TimeProvider time, ILogger logger, Counter count, int bound)
    {
        _store = store;
        _time = time;
        _logger = logger;
        _count = count;
        _room = new(bound);
        _repeating = RepeatAsync();
    }

    public bool TryGet(EnvelopeId id, [NotNullWhen(true)] out Write? write) => _writes.TryGetValue(id, out write);

    /// <summary>Puts <paramref name="write"/> in the place of one that is waiting; false if none is.</summary>
    public bool TryReplace(EnvelopeId id, Write write)
    {
        while (_writes.TryGetValue(id, out Write? before))
        {
            if (_writes.TryUpdate(id, write, before))
                return true;
        }

        return false;
    }

    /// <summary>Keeps a write that failed, once there is room.</summary>
    public async ValueTask AddAsync(EnvelopeId id, Write write, string? reason, CancellationToken cancellation)
    {
        await _room.WaitAsync(cancellation);
        QueueingLog.KeptForRepeat(_logger, write.Operation, id, reason);
        if (_writes.TryAdd(id, write))
        {
            _count.Add();
            _work.Release();
        }
        else
        {
            _writes[id] = write;
            _room.Release();
        }
    }

    private async Task RepeatAsync()
    {
        try
        {
            TimeSpan delay = s_firstDelay;
            while (true)
            {
                if (_writes.IsEmpty)
                {
                    await _work.WaitAsync(_stop.Token);
                    delay = s_firstDelay;
                }

                await Task.Delay(delay, _time, _stop.Token);
                bool failed = false;
                foreach ((EnvelopeId id, Write write) in _writes)
                    failed |= !await TryAgainAsync(id, write, _stop.Token);
                delay = failed ? TimeSpan.FromTicks(Math.Min(s_longestDelay.Ticks, delay.Ticks * 2)) : s_firstDelay;
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // The queue is closing.
        }
    }

    private async ValueTask<bool> TryAgainAsync(EnvelopeId id, Write write, CancellationToken cancellation)
    {
        QueueResult result = write.Json is null
            ? await _store.DeleteEnvelopeAsync(id, cancellation)
            : await _store.UpdateEnvelopeAsync(id, write.Json, cancellation);
        if (result.Status == QueueStatus.Error)
            return false;
        // A newer write may have taken this one's place meanwhile; it stays and has its own turn.
        if (_writes.TryRemove(KeyValuePair.Create(id, write)))
        {
            QueueingLog.Repeated(_logger, write.Operation, id);
            _count.Add(-1);
            _room.Release();
        }

        return true;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _repeating;
        // One last time: what the store still refuses would be delivered again after the next start.
        foreach ((EnvelopeId id, Write write) in _writes)
        {
            if (!await TryAgainAsync(id, write, CancellationToken.None))
                QueueingLog.NeverConfirmed(_logger, write.Operation, id);
        }

        _stop.Dispose();
        _room.Dispose();
        _work.Dispose();
    }
}

using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using Posthouse.Plugs;
using Posthouse.Server.Model;

namespace Posthouse.Server.Queueing;

/// <summary>
/// The queue as the rest of the server uses it, over any store: it draws ids, turns envelopes into JSON and back, keeps
/// just-accepted envelopes for their first delivery, repeats updates and deletes that fail, and watches the disk. Thread-safe.
/// </summary>
public sealed class MailQueue : IAsyncDisposable
{
    /// <summary>Updates and deletes that wait for a failing store at most; beyond it callers wait too.</summary>
    public const int UnconfirmedBound = 10_000;

    private const int Draws = 100;
    private const int WalkStep = 512;

    private readonly ILogger _logger;
    private readonly SpoolSpace? _space;
    private readonly QueueKey? _key;
    private readonly Counter _hits;
    private readonly Counter _misses;
    private readonly FreshEnvelopes _fresh = new();
    private readonly UnconfirmedWrites _unconfirmed;
    private MailQueueOptions _options;
    private bool _disposed;
    private readonly SemaphoreSlim[] _extensions = [.. Enumerable.Range(0, 16).Select(static _ => new SemaphoreSlim(1))];

    /// <summary>A queue over <paramref name="store"/>, which it owns from now on.</summary>
    /// <param name="store">Where messages and envelopes are kept.</param>
    /// <param name="options">How they are kept.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">Where damage and failures are named.</param>
    /// <param name="counters">Gets <c>queue.unconfirmed</c>, <c>queue.evpcache.load.hit</c> and <c>queue.evpcache.load.missed</c>.</param>
    /// <param name="space">Watches the disk of the store; null for a store without one.</param>
    /// <exception cref="ArgumentException">The encryption key has not 32 bytes.</exception>
    public MailQueue(IQueue store, MailQueueOptions options, TimeProvider time, ILogger logger, Counters counters, SpoolSpace? space = null)
    {
        Store = store;
        _options = options;
        _logger = logger;
        _space = space;
        _key = options.EncryptionKey is { } key ? new QueueKey(key) : null;
        Codec = new(_key);
        _hits = counters["queue.evpcache.load.hit"];
        _misses = counters["queue.evpcache.load.missed"];
        _unconfirmed = new(store, time, logger, counters["queue.unconfirmed"], UnconfirmedBound);
    }

    /// <summary>
    /// Called with the envelopes of each commit, after it, on the thread that committed; it must be quick and not block.
    /// The dispatcher hands them to the scheduler.
    /// </summary>
    public event Action<IReadOnlyList<Envelope>>? Committed;

    /// <summary>How mail is kept. May be replaced at any time, for what comes then; the key stays that of the start.</summary>
    public MailQueueOptions Options { get => Volatile.Read(ref _options); set => Volatile.Write(ref _options, value); }

    /// <summary>Whether the spool's disk is short of space or inodes: new mail gets 452 4.3.1. Cheap; looks at most once a second.</summary>
    public bool IsShortOfSpace => _space?.IsShort ?? false;

    internal IQueue Store { get; }

    internal EnvelopeCodec Codec { get; }

    /// <summary>Begins a message under an id of its own; the writer is null when the store refuses, and the result says why.</summary>
    public async ValueTask<(QueueResult Result, MessageWriter? Writer)> CreateMessageAsync(CancellationToken cancellation = default)
    {
        for (int i = 0; i < Draws; i++)
        {
            MessageId id = MessageId.Draw();
            QueueResult result = await Store.CreateMessageAsync(id, cancellation);
            if (result.IsOk)
                return (result, new MessageWriter(this, id, Encoder(id), extends: false));
            if (result.Status != QueueStatus.Exists)
                return (result, null);
        }

        return (QueueResult.Error("the store takes no message id"), null);
    }

    /// <summary>Begins adding envelopes to a message that is in the queue: bounces of it, or recipients found by expansion at delivery.</summary>
    public MessageWriter ExtendMessage(MessageId message) => new(this, message, null, extends: true);

    /// <summary>
    /// Loads an envelope, from memory when it was just accepted. <see cref="QueueStatus.NotFound"/> also for one whose delete
    /// is not confirmed yet, and for a damaged one, which is named in the log and left alone.
    /// </summary>
    public async ValueTask<(QueueResult Result, Envelope? Envelope)> LoadAsync(EnvelopeId id, CancellationToken cancellation = default)
    {
        if (_unconfirmed.TryGet(id, out UnconfirmedWrites.Write? write))
            return write.Envelope is null ? (QueueResult.NotFound, null) : (QueueResult.Ok, write.Envelope);
        if (_fresh.TryTake(id, out Envelope? fresh))
        {
            _hits.Add();
            return (QueueResult.Ok, fresh);
        }

        _misses.Add();
        QueueWalk walk = await Store.WalkAsync(new(id.Value - 1), 1, cancellation);
        if (!walk.Result.IsOk)
            return (walk.Result, null);
        if (walk.Envelopes.Count == 0 || walk.Envelopes[0].Id != id)
            return (QueueResult.NotFound, null);
        (QueueResult Result, Envelope? Envelope) parsed = Codec.Parse(walk.Envelopes[0]);
        if (parsed.Result.Status == QueueStatus.NotFound)
            QueueingLog.DamagedEnvelope(_logger, id, parsed.Result.Message);
        else if (!parsed.Result.IsOk)
            QueueingLog.Unopenable(_logger, id, parsed.Result.Message);
        return parsed;
    }

    /// <summary>
    /// Replaces an envelope. Ok also when the store failed: the update is then kept and repeated, and this queue answers
    /// as if it had been done.
    /// </summary>
    public ValueTask<QueueResult> UpdateAsync(Envelope envelope, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(envelope);
        return WriteAsync(envelope.Id, new(Codec.Serialize(envelope), envelope), cancellation);
    }

    /// <summary>
    /// Deletes an envelope, and its message with the last one. Ok also when it was not there, and when the store failed:
    /// the delete is then kept and repeated, and the envelope is not given to anybody meanwhile.
    /// </summary>
    public ValueTask<QueueResult> DeleteAsync(EnvelopeId id, CancellationToken cancellation = default) => WriteAsync(id, new(null, null), cancellation);

    /// <summary>
    /// Opens the content of a message for reading, decrypted and decompressed, whatever setting it was written under. A key that does not fit is
    /// a temporary error that says so.
    /// </summary>
    public ValueTask<OpenedMessage> OpenMessageAsync(MessageId message, CancellationToken cancellation = default) =>
        BodyReader.OpenAsync(Store, message, _key, cancellation);

    /// <summary>
    /// All envelopes with an id greater than <paramref name="after"/>, ascending. Damaged ones are named in the log and left out, those that
    /// another key is needed for are counted there, and those with an unconfirmed delete are left out too. A failing store ends the walk with an exception, since what follows is unknown.
    /// </summary>
    /// <exception cref="IOException">The store failed.</exception>
    public async IAsyncEnumerable<Envelope> WalkAsync(EnvelopeId after = default, [EnumeratorCancellation] CancellationToken cancellation = default)
    {
        int unopened = 0;
        (EnvelopeId Id, string? Reason) firstUnopened = default;
        while (true)
        {
            QueueWalk walk = await Store.WalkAsync(after, WalkStep, cancellation);
            if (!walk.Result.IsOk)
            {
                QueueingLog.WalkFailed(_logger, walk.Result.Message);
                throw new IOException($"the walk of the queue stopped: {walk.Result.Message}");
            }

            if (walk.Envelopes.Count == 0)
                break;
            foreach (StoredEnvelope stored in walk.Envelopes)
            {
                after = stored.Id;
                (QueueResult Result, Envelope? Envelope) parsed = _unconfirmed.TryGet(stored.Id, out UnconfirmedWrites.Write? write)
                    ? (QueueResult.Ok, write.Envelope)
                    : Codec.Parse(stored);
                if (parsed.Envelope is not null)
                    yield return parsed.Envelope;
                else if (parsed.Result.Status == QueueStatus.NotFound)
                    QueueingLog.DamagedEnvelope(_logger, stored.Id, parsed.Result.Message);
                else if (!parsed.Result.IsOk && unopened++ == 0)
                    firstUnopened = (stored.Id, parsed.Result.Message);
            }
        }

        // With a wrong key that may be all of them: one line then, not a million.
        if (unopened > 0)
            QueueingLog.Unopened(_logger, unopened, firstUnopened.Id, firstUnopened.Reason);
    }

    /// <summary>Tries once more the writes that failed, and closes the store.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, true))
            return;
        await _unconfirmed.DisposeAsync();
        await Store.DisposeAsync();
    }

    internal async ValueTask<QueueResult> CommitAsync(
        MessageWriter message, List<ReadOnlyMemory<byte>> serialised, bool extends, CancellationToken cancellation)
    {
        QueueResult result = extends
            ? await ExtendAsync(message, serialised, cancellation)
            : await StoreAsync(message, serialised, cancellation);
        if (!result.IsOk)
        {
            QueueingLog.CommitFailed(_logger, message.Id, result.Message ?? result.Status.ToString());
            return result;
        }

        foreach (Envelope envelope in message.Envelopes)
            _fresh.Put(envelope);
        try
        {
            Committed?.Invoke(message.Envelopes);
        }
        catch (Exception exception)
        {
            // The message is safe and its sender must hear so, whatever a listener does.
            QueueingLog.ListenerFailed(_logger, message.Id, exception);
        }

        return result;
    }

    private ValueTask<QueueResult> StoreAsync(MessageWriter message, List<ReadOnlyMemory<byte>> serialised, CancellationToken cancellation)
    {
        for (int i = 0; i < serialised.Count; i++)
            Store.CreateEnvelope(message.Envelopes[i].Id, serialised[i]);
        return Store.CommitAsync(message.Id, cancellation);
    }

    // The store wants one caller at a time for what is uncommitted of one message, and an id drawn at random must not hit an envelope that is there.
    private async ValueTask<QueueResult> ExtendAsync(MessageWriter message, List<ReadOnlyMemory<byte>> serialised, CancellationToken cancellation)
    {
        SemaphoreSlim turn = _extensions[message.Id.Value % (uint)_extensions.Length];
        await turn.WaitAsync(cancellation);
        try
        {
            foreach (Envelope envelope in message.Envelopes)
            {
                QueueWalk walk = await Store.WalkAsync(new(envelope.Id.Value - 1), 1, cancellation);
                if (!walk.Result.IsOk)
                    return walk.Result;
                if (walk.Envelopes.Count > 0 && walk.Envelopes[0].Id == envelope.Id)
                    return QueueResult.Error("the envelope id drawn is taken");
            }

            return await StoreAsync(message, serialised, cancellation);
        }
        finally
        {
            turn.Release();
        }
    }

    private async ValueTask<QueueResult> WriteAsync(EnvelopeId id, UnconfirmedWrites.Write write, CancellationToken cancellation)
    {
        _fresh.TryTake(id, out _);
        if (_unconfirmed.TryReplace(id, write))
            return QueueResult.Ok;
        QueueResult result = write.Json is null
            ? await Store.DeleteEnvelopeAsync(id, cancellation)
            : await Store.UpdateEnvelopeAsync(id, write.Json, cancellation);
        if (result.Status == QueueStatus.Error)
        {
            await _unconfirmed.AddAsync(id, write, result.Message, cancellation);
            return QueueResult.Ok;
        }

        return write.Json is null ? QueueResult.Ok : result;
    }

    private BodyEncoder? Encoder(MessageId message) =>
        Options.Compression || _key is not null ? new BodyEncoder(Store, message, Options.Compression, _key) : null;
}

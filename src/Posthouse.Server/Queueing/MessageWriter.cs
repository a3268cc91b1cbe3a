using Posthouse.Plugs;

namespace Posthouse.Server.Queueing;

/// <summary>
/// One message on its way into the queue, or envelopes on their way to a message that is there already. Used by one
/// caller at a time, and ended by <see cref="CommitAsync"/> or <see cref="Rollback"/>; a rollback after the end does nothing.
/// </summary>
public sealed class MessageWriter
{
    private const int Linear = 16;
    private readonly MailQueue _queue;
    private readonly BodyEncoder? _encoder;
    private readonly bool _extends;
    private readonly List<Envelope> _envelopes = new(1);
    private readonly List<ReadOnlyMemory<byte>> _serialised = new(1);
    private HashSet<EnvelopeId>? _ids;
    private bool _ended;

    internal MessageWriter(MailQueue queue, MessageId id, BodyEncoder? encoder, bool extends)
    {
        _queue = queue;
        Id = id;
        _encoder = encoder;
        _extends = extends;
    }

    /// <summary>The message's id.</summary>
    public MessageId Id { get; }

    /// <summary>Bytes of content written so far, before compression and encryption.</summary>
    public long Size { get; private set; }

    /// <summary>The envelopes added so far.</summary>
    public IReadOnlyList<Envelope> Envelopes => _envelopes;

    /// <summary>
    /// Appends content, which is copied before the task completes; waiting is back-pressure of the store. A failure is
    /// remembered and reported by <see cref="CommitAsync"/>.
    /// </summary>
    /// <exception cref="InvalidOperationException">The message was in the queue already, or this writer has ended.</exception>
    public ValueTask WriteAsync(ReadOnlyMemory<byte> chunk, CancellationToken cancellation = default)
    {
        if (_extends || _ended)
            throw new InvalidOperationException("this message takes no more content");
        if (chunk.IsEmpty)
            return default;
        bool first = Size == 0;
        Size += chunk.Length;
        if (_encoder is not null)
            return _encoder.WriteAsync(chunk, cancellation);
        // A plain body has no header, unless its own first byte would be taken for one.
        return first && chunk.Span[0] == BodyHeader.FirstByte
            ? WriteEscapedAsync(chunk, cancellation)
            : _queue.Store.WriteMessageAsync(Id, chunk, cancellation);
    }

    /// <summary>Draws the id of an envelope of this message. Give it to <see cref="AddEnvelope"/> before drawing the next.</summary>
    public EnvelopeId DrawEnvelopeId()
    {
        EnvelopeId id;
        do
            id = EnvelopeId.Draw(Id);
        while (IsTaken(id));
        return id;
    }

    /// <summary>Adds an envelope, serialising it on the caller's thread.</summary>
    /// <exception cref="ArgumentException">Its id is not of this message, or was added before.</exception>
    /// <exception cref="InvalidOperationException">This writer has ended.</exception>
    public void AddEnvelope(Envelope envelope)
    {
        ArgumentNullException.ThrowIfNull(envelope);
        if (_ended)
            throw new InvalidOperationException("this message takes no more envelopes");
        if (envelope.Id.Message != Id || IsTaken(envelope.Id))
            throw new ArgumentException("an envelope's id is drawn from its message, once each", nameof(envelope));
        _serialised.Add(_queue.Codec.Serialize(envelope));
        _envelopes.Add(envelope);
        if (_ids is not null)
            _ids.Add(envelope.Id);
        else if (_envelopes.Count > Linear)
            _ids = [.. _envelopes.Select(static added => added.Id)];
    }

    /// <summary>
    /// Makes content and envelopes durable and tells <see cref="MailQueue.Committed"/>. After anything but ok nothing of it
    /// is left in the queue. A message without envelopes is rolled back, which is ok.
    /// </summary>
    public async ValueTask<QueueResult> CommitAsync(CancellationToken cancellation = default)
    {
        if (_ended)
            throw new InvalidOperationException("this message is committed or rolled back already");
        if (_envelopes.Count == 0)
        {
            Rollback();
            return QueueResult.Ok;
        }

        if (_encoder is not null)
            await FinishBodyAsync(_encoder, cancellation);
        _ended = true;
        return await _queue.CommitAsync(this, _serialised, _extends, cancellation);
    }

    /// <summary>Forgets the message, or the envelopes added to a message that was there.</summary>
    public void Rollback()
    {
        if (_ended)
            return;
        _ended = true;
        _encoder?.Dispose();
        if (!_extends)
            _queue.Store.Rollback(Id);
    }

    private bool IsTaken(EnvelopeId id)
    {
        if (_ids is not null)
            return _ids.Contains(id);
        foreach (Envelope added in _envelopes)
        {
            if (added.Id == id)
                return true;
        }

        return false;
    }

    private async ValueTask WriteEscapedAsync(ReadOnlyMemory<byte> chunk, CancellationToken cancellation)
    {
        await _queue.Store.WriteMessageAsync(Id, BodyHeader.Plain, cancellation);
        await _queue.Store.WriteMessageAsync(Id, chunk, cancellation);
    }

    private async ValueTask FinishBodyAsync(BodyEncoder encoder, CancellationToken cancellation)
    {
        bool finished = false;
        try
        {
            await encoder.FinishAsync(cancellation);
            encoder.Dispose();
            finished = true;
        }
        finally
        {
            if (!finished)
                Rollback();
        }
    }
}

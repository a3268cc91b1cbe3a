namespace Posthouse.Plugs;

/// <summary>
/// A store of messages and envelopes: an iterable key-value store. A message is opaque bytes, an envelope one JSON
/// object; ids are the server's. Calls of different messages run concurrently; calls of one uncommitted message do
/// not. No method throws for a failure of the store: it answers <see cref="QueueStatus.Error"/>.
/// docs/protocols/queue.md is the normative text.
/// </summary>
public interface IQueue : IAsyncDisposable
{
    /// <summary>Reserves an id: <see cref="QueueStatus.Ok"/>, or <see cref="QueueStatus.Exists"/> and the caller draws another.</summary>
    ValueTask<QueueResult> CreateMessageAsync(MessageId message, CancellationToken cancellation = default);

    /// <summary>
    /// Appends to an uncommitted message. The store copies <paramref name="chunk"/> before the task completes.
    /// A failure is remembered and reported by <see cref="CommitAsync"/>. Waiting is back-pressure.
    /// </summary>
    ValueTask WriteMessageAsync(MessageId message, ReadOnlyMemory<byte> chunk, CancellationToken cancellation = default);

    /// <summary>Adds an envelope to an uncommitted message, or to one that exists (confirmed by the next commit of it). The store may keep <paramref name="json"/> without copying; the caller must not change it.</summary>
    void CreateEnvelope(EnvelopeId envelope, ReadOnlyMemory<byte> json);

    /// <summary>
    /// Makes content and all envelopes durable: after <see cref="QueueStatus.Ok"/> a walk finds them after any crash,
    /// power cut included. After an error nothing of it is left, and the message is rolled back.
    /// </summary>
    ValueTask<QueueResult> CommitAsync(MessageId message, CancellationToken cancellation = default);

    /// <summary>Forgets an uncommitted message.</summary>
    void Rollback(MessageId message);

    /// <summary>Reads from <paramref name="offset"/> into <paramref name="buffer"/>; <see cref="QueueRead.Count"/> is 0 at the end.</summary>
    ValueTask<QueueRead> ReadMessageAsync(MessageId message, long offset, Memory<byte> buffer, CancellationToken cancellation = default);

    /// <summary>Replaces an envelope. Ok survives the death of any process, and a power cut within a second.</summary>
    ValueTask<QueueResult> UpdateEnvelopeAsync(EnvelopeId envelope, ReadOnlyMemory<byte> json, CancellationToken cancellation = default);

    /// <summary>Deletes an envelope, and its message with the last one. Durable as an update.</summary>
    ValueTask<QueueResult> DeleteEnvelopeAsync(EnvelopeId envelope, CancellationToken cancellation = default);

    /// <summary>
    /// The committed envelopes with an id greater than <paramref name="after"/>, ascending, at most <paramref name="max"/>; empty at the end.
    /// One envelope is loaded by walking from the id before it with max 1.
    /// </summary>
    ValueTask<QueueWalk> WalkAsync(EnvelopeId after, int max, CancellationToken cancellation = default);
}

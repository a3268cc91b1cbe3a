using System.Collections.Concurrent;
using Posthouse.Plugs;

namespace Posthouse.Server.Queueing;

/// <summary>The <c>null</c> store: says yes to everything and keeps nothing. For measuring what comes before the queue.</summary>
public sealed class NullQueue : IQueue
{
    private readonly ConcurrentDictionary<MessageId, bool> _incoming = new();

    /// <inheritdoc/>
    public ValueTask<QueueResult> CreateMessageAsync(MessageId message, CancellationToken cancellation = default) =>
        new(_incoming.TryAdd(message, true) ? QueueResult.Ok : QueueResult.Exists);

    /// <inheritdoc/>
    public ValueTask WriteMessageAsync(MessageId message, ReadOnlyMemory<byte> chunk, CancellationToken cancellation = default) => default;

    /// <inheritdoc/>
    public void CreateEnvelope(EnvelopeId envelope, ReadOnlyMemory<byte> json)
    {
    }

    /// <inheritdoc/>
    public ValueTask<QueueResult> CommitAsync(MessageId message, CancellationToken cancellation = default) =>
        new(_incoming.TryRemove(message, out _) ? QueueResult.Ok : QueueResult.NotFound);

    /// <inheritdoc/>
    public void Rollback(MessageId message) => _incoming.TryRemove(message, out _);

    /// <inheritdoc/>
    public ValueTask<QueueRead> ReadMessageAsync(MessageId message, long offset, Memory<byte> buffer, CancellationToken cancellation = default) =>
        new(new QueueRead(QueueResult.NotFound, 0));

    /// <inheritdoc/>
    public ValueTask<QueueResult> UpdateEnvelopeAsync(EnvelopeId envelope, ReadOnlyMemory<byte> json, CancellationToken cancellation = default) =>
        new(QueueResult.NotFound);

    /// <inheritdoc/>
    public ValueTask<QueueResult> DeleteEnvelopeAsync(EnvelopeId envelope, CancellationToken cancellation = default) => new(QueueResult.NotFound);

    /// <inheritdoc/>
    public ValueTask<QueueWalk> WalkAsync(EnvelopeId after, int max, CancellationToken cancellation = default) => new(new QueueWalk(QueueResult.Ok, []));

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => default;
}

using Posthouse.Plugs;

namespace Posthouse.Tests.Queueing;

/// <summary>A store that refuses writes, or ids, when told to.</summary>
internal sealed class FailingQueue(IQueue store) : IQueue
{
    public bool Fails { get; set; }

    public bool FailsWalks { get; set; }

    public int Exists { get; set; }

    public int Refused { get; private set; }

    public int Walks { get; set; }

    public async ValueTask<QueueResult> CreateMessageAsync(MessageId message, CancellationToken cancellation = default) =>
        Exists-- > 0 ? QueueResult.Exists : await store.CreateMessageAsync(message, cancellation);

    public ValueTask WriteMessageAsync(MessageId message, ReadOnlyMemory<byte> chunk, CancellationToken cancellation = default) =>
        store.WriteMessageAsync(message, chunk, cancellation);

    public void CreateEnvelope(EnvelopeId envelope, ReadOnlyMemory<byte> json) => store.CreateEnvelope(envelope, json);

    public ValueTask<QueueResult> CommitAsync(MessageId message, CancellationToken cancellation = default)
    {
        if (!Fails)
            return store.CommitAsync(message, cancellation);
        store.Rollback(message);
        return Refuse();
    }

    public void Rollback(MessageId message) => store.Rollback(message);

    public ValueTask<QueueRead> ReadMessageAsync(MessageId message, long offset, Memory<byte> buffer, CancellationToken cancellation = default) =>
        store.ReadMessageAsync(message, offset, buffer, cancellation);

    public ValueTask<QueueResult> UpdateEnvelopeAsync(EnvelopeId envelope, ReadOnlyMemory<byte> json, CancellationToken cancellation = default) =>
        Fails ? Refuse() : store.UpdateEnvelopeAsync(envelope, json, cancellation);

    public ValueTask<QueueResult> DeleteEnvelopeAsync(EnvelopeId envelope, CancellationToken cancellation = default) =>
        Fails ? Refuse() : store.DeleteEnvelopeAsync(envelope, cancellation);

    public ValueTask<QueueWalk> WalkAsync(EnvelopeId after, int max, CancellationToken cancellation = default)
    {
        Walks++;
        return FailsWalks ? new(new QueueWalk(QueueResult.Error("told to fail"), [])) : store.WalkAsync(after, max, cancellation);
    }

    public ValueTask DisposeAsync() => store.DisposeAsync();

    private ValueTask<QueueResult> Refuse()
    {
        Refused++;
        return new(QueueResult.Error("told to fail"));
    }
}

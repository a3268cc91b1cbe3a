using Posthouse.Plugs;

namespace Posthouse.Server.Scheduling;

/// <summary>A scheduler that knows nothing and hands nothing out: mail is accepted and stays in the queue.</summary>
public sealed class NullScheduler(TimeProvider time) : IScheduler
{
    /// <inheritdoc/>
    public void Insert(ScheduledEnvelope envelope)
    {
    }

    /// <inheritdoc/>
    public void Commit(MessageId message)
    {
    }

    /// <inheritdoc/>
    public void Rollback(MessageId message)
    {
    }

    /// <inheritdoc/>
    public void Update(ScheduledEnvelope envelope)
    {
    }

    /// <inheritdoc/>
    public void Delete(EnvelopeId envelope)
    {
    }

    /// <inheritdoc/>
    public void Return(EnvelopeId envelope)
    {
    }

    /// <inheritdoc/>
    public void Hold(EnvelopeId envelope, ulong holdQueue)
    {
    }

    /// <inheritdoc/>
    public void Release(ulong holdQueue, int? count, bool failed = false)
    {
    }

    /// <summary>Waits, and answers nothing.</summary>
    public async ValueTask<IReadOnlyList<ScheduledWork>> BatchAsync(int max, EnvelopeKinds kinds, TimeSpan wait, CancellationToken cancellation = default)
    {
        await Task.Delay(wait, time, cancellation);
        return [];
    }

    /// <inheritdoc/>
    public ValueTask<IReadOnlyList<MessageId>> ListMessagesAsync(MessageId after, int max, CancellationToken cancellation = default) => new([]);

    /// <inheritdoc/>
    public ValueTask<IReadOnlyList<ScheduleEntry>> ListEnvelopesAsync(EnvelopeId after, int max, CancellationToken cancellation = default) => new([]);

    /// <inheritdoc/>
    public ValueTask<int> ScheduleAsync(EnvelopeSelection selection, CancellationToken cancellation = default) => new(0);

    /// <inheritdoc/>
    public ValueTask<int> RemoveAsync(EnvelopeSelection selection, CancellationToken cancellation = default) => new(0);

    /// <inheritdoc/>
    public ValueTask<int> SuspendAsync(EnvelopeSelection selection, CancellationToken cancellation = default) => new(0);

    /// <inheritdoc/>
    public ValueTask<int> ResumeAsync(EnvelopeSelection selection, CancellationToken cancellation = default) => new(0);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}

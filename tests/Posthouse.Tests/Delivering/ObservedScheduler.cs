using System.Threading.Channels;
using Posthouse.Plugs;

namespace Posthouse.Tests.Delivering;

/// <summary>A scheduler that tells a test what the dispatcher says to it. The dispatcher tells the scheduler last, so then all is recorded.</summary>
internal sealed class ObservedScheduler(IScheduler inner) : IScheduler
{
    private readonly Channel<(string What, EnvelopeId Id)> _told = Channel.CreateUnbounded<(string, EnvelopeId)>();

    public async Task<EnvelopeId> UntilAsync(string what)
    {
        using CancellationTokenSource deadline = new(TimeSpan.FromSeconds(60));
        while (true)
        {
            (string said, EnvelopeId id) = await _told.Reader.ReadAsync(deadline.Token);
            if (said == what)
                return id;
        }
    }

    /// <summary>Waits until all of these were said, in whatever order: what several deliveries say has none.</summary>
    public async Task UntilAllAsync(params string[] what)
    {
        List<string> missing = [.. what];
        using CancellationTokenSource deadline = new(TimeSpan.FromSeconds(60));
        while (missing.Count > 0)
            missing.Remove((await _told.Reader.ReadAsync(deadline.Token)).What);
    }

    public void Insert(ScheduledEnvelope envelope) => inner.Insert(envelope);

    public void Commit(MessageId message) => inner.Commit(message);

    public void Rollback(MessageId message) => inner.Rollback(message);

    public void Update(ScheduledEnvelope envelope)
    {
        inner.Update(envelope);
        _told.Writer.TryWrite(("update", envelope.Id));
    }

    public void Delete(EnvelopeId envelope)
    {
        inner.Delete(envelope);
        _told.Writer.TryWrite(("delete", envelope));
    }

    public void Return(EnvelopeId envelope)
    {
        inner.Return(envelope);
        _told.Writer.TryWrite(("return", envelope));
    }

    public void Hold(EnvelopeId envelope, ulong holdQueue)
    {
        inner.Hold(envelope, holdQueue);
        _told.Writer.TryWrite(("hold", envelope));
    }

    public void Release(ulong holdQueue, int? count, bool failed = false) => inner.Release(holdQueue, count, failed);

    public ValueTask<IReadOnlyList<ScheduledWork>> BatchAsync(int max, EnvelopeKinds kinds, TimeSpan wait, CancellationToken cancellation = default)
    {
        _told.Writer.TryWrite(("batch", default));
        return inner.BatchAsync(max, kinds, wait, cancellation);
    }

    public ValueTask<IReadOnlyList<MessageId>> ListMessagesAsync(MessageId after, int max, CancellationToken cancellation = default) => inner.ListMessagesAsync(after, max, cancellation);

    public ValueTask<IReadOnlyList<ScheduleEntry>> ListEnvelopesAsync(EnvelopeId after, int max, CancellationToken cancellation = default) => inner.ListEnvelopesAsync(after, max, cancellation);

    public ValueTask<int> ScheduleAsync(EnvelopeSelection selection, CancellationToken cancellation = default) => inner.ScheduleAsync(selection, cancellation);

    public ValueTask<int> RemoveAsync(EnvelopeSelection selection, CancellationToken cancellation = default) => inner.RemoveAsync(selection, cancellation);

    public ValueTask<int> SuspendAsync(EnvelopeSelection selection, CancellationToken cancellation = default) => inner.SuspendAsync(selection, cancellation);

    public ValueTask<int> ResumeAsync(EnvelopeSelection selection, CancellationToken cancellation = default) => inner.ResumeAsync(selection, cancellation);

    public ValueTask DisposeAsync() => inner.DisposeAsync();
}

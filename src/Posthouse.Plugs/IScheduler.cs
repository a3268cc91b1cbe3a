namespace Posthouse.Plugs;

/// <summary>
/// Decides which envelope is tried next, and when. It holds only what it needs for that and is refilled from the queue
/// when it starts. An envelope handed out is in flight until Update, Delete, Return or Hold. Methods may be called from
/// any thread. docs/protocols/scheduler.md is the normative text.
/// </summary>
public interface IScheduler : IAsyncDisposable
{
    /// <summary>Stages an envelope under its message; it is handed out only after <see cref="Commit"/>.</summary>
    void Insert(ScheduledEnvelope envelope);

    /// <summary>The message's staged envelopes may now be handed out.</summary>
    void Commit(MessageId message);

    /// <summary>Forgets the message's staged envelopes.</summary>
    void Rollback(MessageId message);

    /// <summary>A try ended in a temporary failure: give the envelope a new time.</summary>
    void Update(ScheduledEnvelope envelope);

    /// <summary>The envelope is done with.</summary>
    void Delete(EnvelopeId envelope);

    /// <summary>Handed out but not tried (a pause, say): due as before.</summary>
    void Return(EnvelopeId envelope);

    /// <summary>Its destination has no room: keep it aside in hold queue <paramref name="holdQueue"/>.</summary>
    void Hold(EnvelopeId envelope, ulong holdQueue);

    /// <summary><paramref name="count"/> envelopes of a hold queue (null: all) are due again, or, when <paramref name="failed"/>, rescheduled as after a failed try.</summary>
    void Release(ulong holdQueue, int? count, bool failed = false);

    /// <summary>
    /// A long poll: answers as soon as an envelope of <paramref name="kinds"/> is due, with at most <paramref name="max"/>,
    /// and with none after <paramref name="wait"/> at the latest. What has expired or is to be removed is handed out
    /// whatever its kind, since nothing is tried.
    /// </summary>
    ValueTask<IReadOnlyList<ScheduledWork>> BatchAsync(int max, EnvelopeKinds kinds, TimeSpan wait, CancellationToken cancellation = default);

    /// <summary>Ids of known messages greater than <paramref name="after"/>, ascending.</summary>
    ValueTask<IReadOnlyList<MessageId>> ListMessagesAsync(MessageId after, int max, CancellationToken cancellation = default);

    /// <summary>Known envelopes with an id greater than <paramref name="after"/>, ascending.</summary>
    ValueTask<IReadOnlyList<ScheduleEntry>> ListEnvelopesAsync(EnvelopeId after, int max, CancellationToken cancellation = default);

    /// <summary>Makes the selected envelopes due now; answers how many.</summary>
    ValueTask<int> ScheduleAsync(EnvelopeSelection selection, CancellationToken cancellation = default);

    /// <summary>Hands the selected envelopes out for removal; answers how many.</summary>
    ValueTask<int> RemoveAsync(EnvelopeSelection selection, CancellationToken cancellation = default);

    /// <summary>Stops trying the selected envelopes; answers how many.</summary>
    ValueTask<int> SuspendAsync(EnvelopeSelection selection, CancellationToken cancellation = default);

    /// <summary>Tries the selected envelopes again; answers how many.</summary>
    ValueTask<int> ResumeAsync(EnvelopeSelection selection, CancellationToken cancellation = default);
}

using System.Runtime.CompilerServices;
using Posthouse.Plugs;

namespace Posthouse.Server.Delivering;

/// <summary>What an administrator does with the queue while the server runs. Thread-safe.</summary>
/// <remarks>Scheduler and queue are two books; where they differ because something moves at the moment, the queue says what exists and the scheduler where it stands.</remarks>
public sealed class QueueControl(Dispatcher dispatcher)
{
    private const int Page = 512;
    private readonly IScheduler _scheduler = dispatcher.Scheduler;

    /// <summary>The selected envelopes in ascending order, as the queue holds them, each with its state.</summary>
    /// <exception cref="IOException">The store cannot be walked.</exception>
    public async IAsyncEnumerable<ListedEnvelope> ListAsync(EnvelopeSelection selection, [EnumeratorCancellation] CancellationToken cancellation = default)
    {
        IReadOnlyList<ScheduleEntry> entries = [];
        int at = 0;
        bool more = true;
        EnvelopeId after = Before(selection);
        await foreach (Envelope envelope in dispatcher.Queue.WalkAsync(after, cancellation))
        {
            if (!selection.Contains(envelope.Id))
                yield break;
            while (more && (at == entries.Count || entries[at].Envelope.CompareTo(envelope.Id) < 0))
            {
                if (at < entries.Count)
                {
                    after = entries[at++].Envelope;
                    continue;
                }

                entries = await _scheduler.ListEnvelopesAsync(after, Page, cancellation);
                at = 0;
                more = entries.Count > 0;
            }

            bool known = at < entries.Count && entries[at].Envelope == envelope.Id;
            yield return known ? new(envelope, entries[at].State, entries[at].NextTry) : new(envelope, ScheduleState.Pending, 0);
        }
    }

    /// <summary>Makes the selected envelopes due now; answers how many. Suspended ones stay so.</summary>
    public ValueTask<int> ScheduleAsync(EnvelopeSelection selection, CancellationToken cancellation = default) => _scheduler.ScheduleAsync(selection, cancellation);

    /// <summary>Removes the selected envelopes without telling their senders, those in flight when their try fails; answers how many.</summary>
    public ValueTask<int> RemoveAsync(EnvelopeSelection selection, CancellationToken cancellation = default) => _scheduler.RemoveAsync(selection, cancellation);

    /// <summary>Stops trying the selected envelopes, also after a restart, until resumed; answers how many.</summary>
    public async ValueTask<int> SuspendAsync(EnvelopeSelection selection, CancellationToken cancellation = default)
    {
        int count = await _scheduler.SuspendAsync(selection, cancellation);
        await MarkAsync(selection, true, cancellation);
        return count;
    }

    /// <summary>Tries the selected envelopes again; answers how many.</summary>
    public async ValueTask<int> ResumeAsync(EnvelopeSelection selection, CancellationToken cancellation = default)
    {
        // The flag first: one that is resumed and fails at once must not be written back as suspended.
        await MarkAsync(selection, false, cancellation);
        return await _scheduler.ResumeAsync(selection, cancellation);
    }

    private static EnvelopeId Before(EnvelopeSelection selection) =>
        selection.IsAll ? default : selection.Message.IsNone ? new(selection.Envelope.Value - 1) : new((ulong)selection.Message.Value << 32);

    // The flag of an envelope in flight is written with the result of its try, which would otherwise overwrite it.
    private async ValueTask MarkAsync(EnvelopeSelection selection, bool suspended, CancellationToken cancellation)
    {
        await foreach (ListedEnvelope listed in ListAsync(selection, cancellation))
        {
            // What has come since the scheduler was told is not meant.
            if (suspended && listed.State is not (ScheduleState.InFlight or ScheduleState.Suspended))
                continue;
            EnvelopeId id = listed.Envelope.Id;
            if (!suspended)
                dispatcher.Record?.Acquit(id);
            if (listed.State == ScheduleState.InFlight)
            {
                dispatcher.Settlement.RecordSuspension(id, suspended);
                if (await IsInFlightAsync(id, cancellation) || !dispatcher.Settlement.TryWithdrawSuspension(id))
                    continue;
            }

            // Not through the walk's copy: the try may have ended in between.
            if (await dispatcher.Queue.LoadAsync(id, cancellation) is { Envelope: { } envelope } && envelope.Flags.HasFlag(EnvelopeFlags.Suspended) != suspended)
                await dispatcher.Queue.UpdateAsync(envelope with { Flags = Settlement.Suspend(envelope.Flags, suspended) }, cancellation);
        }
    }

    private async ValueTask<bool> IsInFlightAsync(EnvelopeId id, CancellationToken cancellation) =>
        await _scheduler.ListEnvelopesAsync(new(id.Value - 1), 1, cancellation) is [{ State: ScheduleState.InFlight } entry] && entry.Envelope == id;
}

using Posthouse.Plugs;

namespace Posthouse.Server.Scheduling;

/// <content>What an administrator sees and does. The index is walked by id, so a page costs no more than what it holds.</content>
public sealed partial class RamScheduler
{
    // How many envelopes a command for many looks at before it lets others have the lock.
    private const int Stride = 4096;

    /// <inheritdoc/>
    public ValueTask<IReadOnlyList<MessageId>> ListMessagesAsync(MessageId after, int max, CancellationToken cancellation = default)
    {
        List<MessageId> messages = [];
        lock (_lock)
        {
            ulong from = LastOf(after);
            while (messages.Count < max && _index.TryNext(from, out ulong id, out int number))
            {
                bool staged = _slots[number].State is SlotState.Staged or SlotState.StagedSuspended;
                if (!staged)
                    messages.Add(new EnvelopeId(id).Message);
                from = staged ? id : LastOf(new EnvelopeId(id).Message);
            }
        }

        return new(messages);
    }

    /// <inheritdoc/>
    public ValueTask<IReadOnlyList<ScheduleEntry>> ListEnvelopesAsync(EnvelopeId after, int max, CancellationToken cancellation = default)
    {
        List<ScheduleEntry> entries = [];
        lock (_lock)
        {
            ulong from = after.Value;
            while (entries.Count < max && _index.TryNext(from, out from, out int number))
            {
                ref Slot slot = ref _slots[number];
                ScheduleState state = slot.State switch
                {
                    SlotState.InFlight or SlotState.InFlightThenSuspended or SlotState.InFlightThenRemoved => ScheduleState.InFlight,
                    SlotState.Held => ScheduleState.Held,
                    SlotState.Suspended => ScheduleState.Suspended,
                    _ => ScheduleState.Pending,
                };
                if (slot.State is not (SlotState.Staged or SlotState.StagedSuspended))
                    entries.Add(new(new(slot.Id), state, slot.State == SlotState.Pending ? slot.Next : 0));
            }
        }

        return new(entries);
    }

    /// <summary>Makes pending and held envelopes due now; suspended ones stay so.</summary>
    public ValueTask<int> ScheduleAsync(EnvelopeSelection selection, CancellationToken cancellation = default) => new(ForEach(selection, number =>
    {
        ref Slot slot = ref _slots[number];
        if (slot.State is not (SlotState.Pending or SlotState.Held))
            return false;
        Unlink(number);
        slot.Next = Now;
        MakePending(number);
        return true;
    }, cancellation));

    /// <summary>Hands the selected envelopes out for removal, one in flight when its try is over; answers how many.</summary>
    public ValueTask<int> RemoveAsync(EnvelopeSelection selection, CancellationToken cancellation = default) => new(ForEach(selection, number =>
    {
        ref Slot slot = ref _slots[number];
        switch (slot.State)
        {
            case SlotState.InFlight or SlotState.InFlightThenSuspended:
                slot.State = SlotState.InFlightThenRemoved;
                return true;
            case SlotState.Pending or SlotState.Held or SlotState.Suspended:
                Unlink(number);
                MakeRemoved(number);
                return true;
            default:
                return false;
        }
    }, cancellation));

    /// <summary>Stops trying the selected envelopes, one in flight when its try is over; answers how many.</summary>
    public ValueTask<int> SuspendAsync(EnvelopeSelection selection, CancellationToken cancellation = default) => new(ForEach(selection, number =>
    {
        ref Slot slot = ref _slots[number];
        switch (slot.State)
        {
            case SlotState.InFlight:
                slot.State = SlotState.InFlightThenSuspended;
                return true;
            case SlotState.Pending or SlotState.Held:
                Unlink(number);
                MakeSuspended(number);
                return true;
            default:
                return false;
        }
    }, cancellation));

    /// <inheritdoc/>
    public ValueTask<int> ResumeAsync(EnvelopeSelection selection, CancellationToken cancellation = default) => new(ForEach(selection, number =>
    {
        ref Slot slot = ref _slots[number];
        switch (slot.State)
        {
            case SlotState.InFlightThenSuspended:
                slot.State = SlotState.InFlight;
                return true;
            case SlotState.Suspended:
                MakePending(number);
                return true;
            default:
                return false;
        }
    }, cancellation));

    private int ForEach(EnvelopeSelection selection, Func<int, bool> act, CancellationToken cancellation)
    {
        ulong last = selection.IsAll ? ulong.MaxValue : selection.Message.IsNone ? selection.Envelope.Value : LastOf(selection.Message);
        ulong id = selection.IsAll ? 0 : selection.Message.IsNone ? selection.Envelope.Value - 1 : (ulong)selection.Message.Value << 32;
        int count = 0;
        bool more = true;
        while (more)
        {
            cancellation.ThrowIfCancellationRequested();
            lock (_lock)
            {
                for (int i = 0; i < Stride && more; i++)
                {
                    more = _index.TryNext(id, out id, out int number) && id <= last;
                    if (more && act(number))
                        count++;
                }

                Wake();
            }
        }

        return count;
    }
}

namespace Posthouse.Server.Scheduling;

/// <summary>Queues of envelopes whose destination has no room, by number, first in first out; each is a list through the slots.</summary>
internal sealed class HoldQueues(SlotPool slots, int capacity)
{
    private readonly Dictionary<ulong, (int First, int Last, int Count)> _queues = [];

    /// <summary>Appends a slot; false when the queue is full.</summary>
    public bool TryAdd(int slot, ulong queue)
    {
        if (!_queues.TryGetValue(queue, out (int First, int Last, int Count) ends))
            ends = (Slot.None, Slot.None, 0);
        if (ends.Count >= capacity)
            return false;
        ref Slot added = ref slots[slot];
        added.HoldQueue = queue;
        added.PreviousHeld = ends.Last;
        added.FollowingHeld = Slot.None;
        if (ends.Last != Slot.None)
            slots[ends.Last].FollowingHeld = slot;
        _queues[queue] = (ends.First == Slot.None ? slot : ends.First, slot, ends.Count + 1);
        return true;
    }

    /// <summary>The first of a queue.</summary>
    public bool TryPeek(ulong queue, out int slot)
    {
        bool found = _queues.TryGetValue(queue, out (int First, int Last, int Count) ends);
        slot = found ? ends.First : Slot.None;
        return found;
    }

    /// <summary>Takes out a held slot.</summary>
    public void Remove(int slot)
    {
        ref Slot removed = ref slots[slot];
        (int first, int last, int count) = _queues[removed.HoldQueue];
        if (count == 1)
        {
            _queues.Remove(removed.HoldQueue);
        }
        else
        {
            if (removed.PreviousHeld == Slot.None)
                first = removed.FollowingHeld;
            else
                slots[removed.PreviousHeld].FollowingHeld = removed.FollowingHeld;
            if (removed.FollowingHeld == Slot.None)
                last = removed.PreviousHeld;
            else
                slots[removed.FollowingHeld].PreviousHeld = removed.PreviousHeld;
            _queues[removed.HoldQueue] = (first, last, count - 1);
        }

        removed.PreviousHeld = removed.FollowingHeld = Slot.None;
    }
}

namespace Posthouse.Server.Scheduling;

/// <summary>
/// Slots by time, then by order of arrival: a 4-ary heap (half the levels of a binary one, and four neighbours share a
/// cache line). The key stands beside the slot's number, so that sifting touches only the array; each slot knows its
/// place, so that any can be taken out. What is due soon after it arrives, the common case, is pushed without sifting.
/// </summary>
internal sealed class EventHeap(SlotPool slots, bool byExpiry)
{
    private (uint Time, uint Order, int Slot)[] _items = new (uint, uint, int)[64];
    private uint _order;

    /// <summary>How many there are.</summary>
    public int Count { get; private set; }

    /// <summary>The earliest time; <see cref="uint.MaxValue"/> when empty.</summary>
    public uint FirstTime => Count == 0 ? uint.MaxValue : _items[0].Time;

    /// <summary>The slot with the earliest time.</summary>
    public int First => _items[0].Slot;

    /// <summary>Adds a slot that is not in this heap.</summary>
    public void Push(int slot, uint time)
    {
        if (Count == _items.Length)
            Array.Resize(ref _items, Count + Count / 2);
        SiftUp(Count++, (time, _order++, slot));
    }

    /// <summary>Takes out a slot that is in this heap.</summary>
    public void Remove(int slot)
    {
        int at = Position(slot);
        Position(slot) = Slot.None;
        (uint, uint, int) last = _items[--Count];
        if (at == Count)
            return;
        if (at > 0 && Before(last, _items[(at - 1) >> 2]))
            SiftUp(at, last);
        else
            SiftDown(at, last);
    }

    // The order wraps after 2^32 arrivals; then some of one second change places.
    private static bool Before((uint Time, uint Order, int Slot) a, (uint Time, uint Order, int Slot) b) =>
        a.Time < b.Time || (a.Time == b.Time && a.Order < b.Order);

    private ref int Position(int slot)
    {
        if (byExpiry)
            return ref slots[slot].ExpiryPosition;
        return ref slots[slot].DuePosition;
    }

    private void SiftUp(int at, (uint Time, uint Order, int Slot) item)
    {
        while (at > 0)
        {
            int parent = (at - 1) >> 2;
            if (!Before(item, _items[parent]))
                break;
            Put(at, _items[parent]);
            at = parent;
        }

        Put(at, item);
    }

    private void SiftDown(int at, (uint Time, uint Order, int Slot) item)
    {
        while (true)
        {
            int child = (at << 2) + 1;
            if (child >= Count)
                break;
            int least = child;
            int end = Math.Min(child + 4, Count);
            for (int other = child + 1; other < end; other++)
            {
                if (Before(_items[other], _items[least]))
                    least = other;
            }

            if (!Before(_items[least], item))
                break;
            Put(at, _items[least]);
            at = least;
        }

        Put(at, item);
    }

    private void Put(int at, (uint Time, uint Order, int Slot) item)
    {
        _items[at] = item;
        Position(item.Slot) = at;
    }
}

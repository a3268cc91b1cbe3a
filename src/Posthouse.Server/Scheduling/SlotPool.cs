namespace Posthouse.Server.Scheduling;

/// <summary>Slots by number, in pages, so that growing copies nothing. Freed slots are used again first.</summary>
internal sealed class SlotPool
{
    private const int PageBits = 10;
    private const int PageSize = 1 << PageBits;
    private Slot[][] _pages = [];
    private int _count;
    private int _free = Slot.None;

    /// <summary>The slot of that number.</summary>
    public ref Slot this[int slot] => ref _pages[slot >> PageBits][slot & (PageSize - 1)];

    /// <summary>A slot in which only the links are set, all of them to none.</summary>
    public int Take()
    {
        int slot = _free;
        if (slot != Slot.None)
        {
            _free = this[slot].FollowingHeld;
        }
        else
        {
            slot = _count++;
            if (slot >> PageBits == _pages.Length)
                _pages = [.. _pages, new Slot[PageSize]];
        }

        this[slot] = new() { DuePosition = Slot.None, ExpiryPosition = Slot.None, PreviousHeld = Slot.None, FollowingHeld = Slot.None };
        return slot;
    }

    /// <summary>Gives a slot back.</summary>
    public void Free(int slot)
    {
        this[slot] = new() { FollowingHeld = _free };
        _free = slot;
    }
}

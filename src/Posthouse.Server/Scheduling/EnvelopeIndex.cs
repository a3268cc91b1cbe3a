namespace Posthouse.Server.Scheduling;

/// <summary>
/// Slots by envelope id, in ascending order: leaves of up to 256 sorted ids below one sorted array of their first ids,
/// which is a B+ tree of two levels. At a million envelopes the upper level is 64 KB; a look-up is two short binary
/// searches, and a page of a listing costs one look-up. All envelopes of a message are neighbours.
/// </summary>
internal sealed class EnvelopeIndex
{
    private const int Capacity = 256;

    // _firsts[i] is a lower bound of leaf i's ids and greater than all ids of leaf i - 1.
    private ulong[] _firsts = new ulong[4];
    private Leaf[] _leaves = [new(), null!, null!, null!];
    private int _leafCount = 1;

    /// <summary>How many ids there are.</summary>
    public int Count { get; private set; }

    /// <summary>Finds the slot of <paramref name="id"/>.</summary>
    public bool TryFind(ulong id, out int slot)
    {
        Leaf leaf = _leaves[LeafOf(id)];
        int at = leaf.Find(id);
        slot = at >= 0 ? leaf.Slots[at] : Slot.None;
        return at >= 0;
    }

    /// <summary>Finds the first id greater than <paramref name="after"/>.</summary>
    public bool TryNext(ulong after, out ulong id, out int slot)
    {
        int number = LeafOf(after);
        int at = _leaves[number].Find(after);
        at = at >= 0 ? at + 1 : ~at;
        while (at == _leaves[number].Count)
        {
            if (++number == _leafCount)
            {
                id = 0;
                slot = Slot.None;
                return false;
            }

            at = 0;
        }

        id = _leaves[number].Ids[at];
        slot = _leaves[number].Slots[at];
        return true;
    }

    /// <summary>Adds an id; false when it is there already.</summary>
    public bool TryAdd(ulong id, int slot)
    {
        int number = LeafOf(id);
        Leaf leaf = _leaves[number];
        int at = leaf.Find(id);
        if (at >= 0)
            return false;
        at = ~at;
        if (leaf.Count == Capacity)
        {
            // Ids that come in ascending order (a refill from the queue) fill each leaf: only the last is split unevenly.
            int keep = number == _leafCount - 1 && at == Capacity ? Capacity : Capacity / 2;
            Leaf right = leaf.SplitAt(keep);
            InsertLeaf(number + 1, right.Count == 0 ? id : right.Ids[0], right);
            if (at >= keep && (keep == Capacity || at > keep))
            {
                leaf = right;
                at -= keep;
            }
        }

        leaf.Insert(at, id, slot);
        Count++;
        return true;
    }

    /// <summary>Takes out an id that is there.</summary>
    public void Remove(ulong id)
    {
        int number = LeafOf(id);
        Leaf leaf = _leaves[number];
        leaf.RemoveAt(leaf.Find(id));
        Count--;
        if (leaf.Count == 0 && _leafCount > 1)
            RemoveLeaf(number);
        else if (leaf.Count < Capacity / 4 && number + 1 < _leafCount && leaf.Count + _leaves[number + 1].Count <= Capacity / 2)
        {
            leaf.Append(_leaves[number + 1]);
            RemoveLeaf(number + 1);
        }
    }

    private int LeafOf(ulong id)
    {
        int at = _firsts.AsSpan(0, _leafCount).BinarySearch(id);
        return at >= 0 ? at : Math.Max(~at - 1, 0);
    }

    private void InsertLeaf(int number, ulong first, Leaf leaf)
    {
        if (_leafCount == _leaves.Length)
        {
            Array.Resize(ref _firsts, _leafCount * 2);
            Array.Resize(ref _leaves, _leafCount * 2);
        }

        Array.Copy(_firsts, number, _firsts, number + 1, _leafCount - number);
        Array.Copy(_leaves, number, _leaves, number + 1, _leafCount - number);
        _firsts[number] = first;
        _leaves[number] = leaf;
        _leafCount++;
    }

    private void RemoveLeaf(int number)
    {
        _leafCount--;
        Array.Copy(_firsts, number + 1, _firsts, number, _leafCount - number);
        Array.Copy(_leaves, number + 1, _leaves, number, _leafCount - number);
        _leaves[_leafCount] = null!;
    }

    private sealed class Leaf
    {
        public readonly ulong[] Ids = new ulong[Capacity];
        public readonly int[] Slots = new int[Capacity];
        public int Count;

        public int Find(ulong id) => Ids.AsSpan(0, Count).BinarySearch(id);

        public void Insert(int at, ulong id, int slot)
        {
            Array.Copy(Ids, at, Ids, at + 1, Count - at);
            Array.Copy(Slots, at, Slots, at + 1, Count - at);
            Ids[at] = id;
            Slots[at] = slot;
            Count++;
        }

        public void RemoveAt(int at)
        {
            Count--;
            Array.Copy(Ids, at + 1, Ids, at, Count - at);
            Array.Copy(Slots, at + 1, Slots, at, Count - at);
        }

        public void Append(Leaf other)
        {
            Array.Copy(other.Ids, 0, Ids, Count, other.Count);
            Array.Copy(other.Slots, 0, Slots, Count, other.Count);
            Count += other.Count;
        }

        public Leaf SplitAt(int keep)
        {
            Leaf right = new();
            right.Count = Count - keep;
            Array.Copy(Ids, keep, right.Ids, 0, right.Count);
            Array.Copy(Slots, keep, right.Slots, 0, right.Count);
            Count = keep;
            return right;
        }
    }
}

namespace Posthouse.Server.Queueing.Log;

/// <summary>Numbered slots in blocks, so that growing copies nothing and a million entries are a few hundred objects.</summary>
internal sealed class Slab<T>
    where T : struct
{
    private const int BlockBits = 12;
    private const int BlockSize = 1 << BlockBits;

    private readonly List<T[]> _blocks = [];
    private readonly Stack<int> _free = new();
    private int _used;

    public ref T this[int slot] => ref _blocks[slot >> BlockBits][slot & (BlockSize - 1)];

    public int Take()
    {
        if (_free.TryPop(out int slot))
            return slot;
        if (_used == _blocks.Count << BlockBits)
            _blocks.Add(new T[BlockSize]);
        return _used++;
    }

    public void Give(int slot)
    {
        this[slot] = default;
        _free.Push(slot);
    }

    /// <summary>Forgets all slots, and with them the memory of a backlog that is gone.</summary>
    public void Clear()
    {
        _blocks.Clear();
        _free.Clear();
        _free.TrimExcess();
        _used = 0;
    }
}

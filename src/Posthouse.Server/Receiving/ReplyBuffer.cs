using System.Buffers;

namespace Posthouse.Server.Receiving;

/// <summary>Replies that wait to be sent together. Holds a pooled array only while there are some.</summary>
internal sealed class ReplyBuffer : IBufferWriter<byte>
{
    private const int Initial = 1024;

    private byte[]? _bytes;
    private int _length;

    internal bool IsEmpty => _length == 0;

    internal int Length => _length;

    internal ReadOnlyMemory<byte> Written => _bytes.AsMemory(0, _length);

    public void Advance(int count) => _length += count;

    public Memory<byte> GetMemory(int sizeHint = 0) => Room(sizeHint).AsMemory(_length);

    public Span<byte> GetSpan(int sizeHint = 0) => Room(sizeHint).AsSpan(_length);

    internal void Clear()
    {
        if (_bytes is { } bytes)
            ArrayPool<byte>.Shared.Return(bytes);
        _bytes = null;
        _length = 0;
    }

    private byte[] Room(int sizeHint)
    {
        sizeHint = Math.Max(sizeHint, 1);
        if (_bytes == null)
            return _bytes = ArrayPool<byte>.Shared.Rent(Math.Max(Initial, sizeHint));
        if (_bytes.Length - _length < sizeHint)
        {
            byte[] larger = ArrayPool<byte>.Shared.Rent(Math.Max(_bytes.Length * 2, _length + sizeHint));
            _bytes.AsSpan(0, _length).CopyTo(larger);
            ArrayPool<byte>.Shared.Return(_bytes);
            _bytes = larger;
        }
        return _bytes;
    }
}

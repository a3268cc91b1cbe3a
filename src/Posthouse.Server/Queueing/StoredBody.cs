using System.Buffers;
using Posthouse.Plugs;

namespace Posthouse.Server.Queueing;

/// <summary>The bytes of a message as the store has them, read forward through one pooled buffer.</summary>
internal sealed class StoredBody(IQueue store, MessageId message) : ForwardStream
{
    private const int BufferSize = 64 * 1024;
    private byte[] _buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
    private long _offset;
    private int _start;
    private int _end;

    /// <summary>What is buffered and not read yet.</summary>
    public ReadOnlySpan<byte> Buffered => _buffer.AsSpan(_start, _end - _start);

    /// <summary>Drops the first <paramref name="count"/> bytes of <see cref="Buffered"/>.</summary>
    public void Skip(int count) => _start += count;

    /// <summary>Reads the next block of the store into the empty buffer; nothing is buffered after the end.</summary>
    public async ValueTask<QueueResult> FillAsync(CancellationToken cancellation)
    {
        _start = _end = 0;
        QueueRead read = await store.ReadMessageAsync(message, _offset, _buffer, cancellation);
        if (read.Result.IsOk)
        {
            _offset += read.Count;
            _end = read.Count;
        }

        return read.Result;
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (_start == _end)
        {
            QueueResult result = await FillAsync(cancellationToken);
            if (!result.IsOk)
                throw new IOException($"message {message}: {result.Message ?? result.Status.ToString()}");
        }

        int count = Math.Min(buffer.Length, _end - _start);
        _buffer.AsMemory(_start, count).CopyTo(buffer);
        _start += count;
        return count;
    }

    protected override void Dispose(bool disposing)
    {
        byte[] buffer = _buffer;
        _buffer = [];
        _start = _end = 0;
        if (buffer.Length > 0)
            ArrayPool<byte>.Shared.Return(buffer);
        base.Dispose(disposing);
    }
}

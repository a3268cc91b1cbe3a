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

    /// <summary>Whether nothing follows.</summary>
    /// <exception cref="IOException">The store failed.</exception>
    public async ValueTask<bool> IsAtEndAsync(CancellationToken cancellation)
    {
        if (_start == _end)
            await RefillAsync(cancellation);
        return _start == _end;
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (_start == _end)
            await RefillAsync(cancellationToken);
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

    private async ValueTask RefillAsync(CancellationToken cancellation)
    {
        QueueResult result = await FillAsync(cancellation);
        if (!result.IsOk)
            throw new IOException($"message {message}: {result.Message ?? result.Status.ToString()}");
    }
}

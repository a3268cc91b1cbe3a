using System.Buffers;
using System.IO.Compression;
using Posthouse.Plugs;

namespace Posthouse.Server.Queueing;

/// <summary>The content of a compressed body. Unlike the library's own stream it takes an early end for the damage that it is.</summary>
internal sealed class DecompressedBody(Stream content, MessageId message) : ForwardStream
{
    private const int BufferSize = 16 * 1024;
    private BrotliDecoder _decoder;
    private byte[] _buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
    private int _start;
    private int _end;
    private bool _done;

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (!_done && !buffer.IsEmpty)
        {
            OperationStatus status = _decoder.Decompress(_buffer.AsSpan(_start, _end - _start), buffer.Span, out int consumed, out int written);
            _start += consumed;
            _done = status == OperationStatus.Done;
            if (written > 0)
                return written;
            if (status == OperationStatus.InvalidData)
                throw new IOException($"message {message}: its body is damaged: what is compressed makes no sense");
            if (status == OperationStatus.NeedMoreData)
                await FillAsync(cancellationToken);
        }

        return 0;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
            content.Dispose();
        _decoder.Dispose();
        byte[] buffer = _buffer;
        _buffer = [];
        _start = _end = 0;
        if (buffer.Length > 0)
            ArrayPool<byte>.Shared.Return(buffer);
        base.Dispose(disposing);
    }

    private async ValueTask FillAsync(CancellationToken cancellation)
    {
        // The decoder may leave some bytes until it sees more.
        int rest = _end - _start;
        _buffer.AsSpan(_start, rest).CopyTo(_buffer);
        int count = await content.ReadAsync(_buffer.AsMemory(rest), cancellation);
        _start = 0;
        _end = rest + count;
        if (count == 0)
            throw new IOException($"message {message}: its body is damaged: it ends too early");
    }
}

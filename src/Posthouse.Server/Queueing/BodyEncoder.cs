using System.Buffers;
using System.IO.Compression;
using System.Security.Cryptography;
using Posthouse.Plugs;

namespace Posthouse.Server.Queueing;

/// <summary>Writes a body compressed, encrypted or both, as <see cref="BodyHeader"/> describes, through one pooled buffer.</summary>
internal sealed class BodyEncoder : IDisposable
{
    private const int Quality = 1;
    private const int Window = 18;
    private readonly IQueue _store;
    private readonly MessageId _message;
    private readonly BodyHeader _header;
    private readonly AesGcm? _cipher;
    private readonly byte[] _associated;
    private BrotliEncoder _compressor;
    private byte[] _buffer = ArrayPool<byte>.Shared.Rent(BodyHeader.LongSize + BodyHeader.ChunkSize + QueueKey.TagSize);
    // The header goes out with the first chunk; after that the chunk begins at 0.
    private int _start;
    private int _length;
    private uint _chunk;

    public BodyEncoder(IQueue store, MessageId message, bool compress, QueueKey? key)
    {
        _store = store;
        _message = message;
        _header = new(compress, key is not null);
        _start = _header.Write(_buffer, key);
        _associated = key is null ? [] : _buffer[..BodyHeader.LongSize];
        _cipher = key?.ForBody(message, _associated.AsSpan(BodyHeader.ShortSize + QueueKey.IdSize));
        if (compress)
            _compressor = new BrotliEncoder(Quality, Window);
    }

    public async ValueTask WriteAsync(ReadOnlyMemory<byte> content, CancellationToken cancellation)
    {
        while (!content.IsEmpty)
        {
            if (_length == BodyHeader.ChunkSize)
                await FlushAsync(isLast: false, cancellation);
            content = content[Take(content.Span)..];
        }
    }

    public async ValueTask FinishAsync(CancellationToken cancellation)
    {
        while (_header.IsCompressed && !FinishCompression())
            await FlushAsync(isLast: false, cancellation);
        await FlushAsync(isLast: true, cancellation);
    }

    public void Dispose()
    {
        _compressor.Dispose();
        _cipher?.Dispose();
        byte[] buffer = _buffer;
        _buffer = [];
        if (buffer.Length > 0)
            ArrayPool<byte>.Shared.Return(buffer, clearArray: _header.IsEncrypted);
    }

    private Span<byte> Free => _buffer.AsSpan(_start + _length, BodyHeader.ChunkSize - _length);

    private int Take(ReadOnlySpan<byte> content)
    {
        if (!_header.IsCompressed)
        {
            int count = Math.Min(content.Length, Free.Length);
            content[..count].CopyTo(Free);
            _length += count;
            return count;
        }

        OperationStatus status = _compressor.Compress(content, Free, out int consumed, out int written, isFinalBlock: false);
        if (status == OperationStatus.InvalidData)
            throw new InvalidOperationException("the compressor failed");
        _length += written;
        return consumed;
    }

    private bool FinishCompression()
    {
        OperationStatus status = _compressor.Compress([], Free, out _, out int written, isFinalBlock: true);
        _length += written;
        return status switch
        {
            OperationStatus.Done => true,
            OperationStatus.DestinationTooSmall => false,
            _ => throw new InvalidOperationException("the compressor failed"),
        };
    }

    private ValueTask FlushAsync(bool isLast, CancellationToken cancellation)
    {
        int end = _start + _length;
        if (_cipher is not null)
        {
            Span<byte> nonce = stackalloc byte[BodyHeader.NonceSize];
            BodyHeader.WriteNonce(nonce, checked(_chunk++), isLast);
            Span<byte> chunk = _buffer.AsSpan(_start, _length);
            _cipher.Encrypt(nonce, chunk, chunk, _buffer.AsSpan(end, QueueKey.TagSize), _associated);
            end += QueueKey.TagSize;
        }

        _start = 0;
        _length = 0;
        return end == 0 ? default : _store.WriteMessageAsync(_message, _buffer.AsMemory(0, end), cancellation);
    }
}

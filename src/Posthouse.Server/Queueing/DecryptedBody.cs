using System.Buffers;
using System.Security.Cryptography;
using Posthouse.Plugs;

namespace Posthouse.Server.Queueing;

/// <summary>The content of an encrypted body, each chunk checked before any byte of it is given out.</summary>
internal sealed class DecryptedBody(StoredBody body, MessageId message, AesGcm cipher, byte[] associated) : ForwardStream
{
    private byte[] _chunk = ArrayPool<byte>.Shared.Rent(BodyHeader.ChunkSize + QueueKey.TagSize);
    private int _start;
    private int _end;
    private uint _number;
    private bool _last;
    private bool _broken;

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (_broken)
            throw Broken();
        if (_start == _end && !_last)
            await OpenChunkAsync(cancellationToken);
        int count = Math.Min(buffer.Length, _end - _start);
        _chunk.AsMemory(_start, count).CopyTo(buffer);
        _start += count;
        return count;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            cipher.Dispose();
            body.Dispose();
        }

        byte[] chunk = _chunk;
        _chunk = [];
        _start = _end = 0;
        if (chunk.Length > 0)
            ArrayPool<byte>.Shared.Return(chunk, clearArray: true);
        base.Dispose(disposing);
    }

    private async ValueTask OpenChunkAsync(CancellationToken cancellation)
    {
        const int Whole = BodyHeader.ChunkSize + QueueKey.TagSize;
        int length = await body.ReadAtLeastAsync(_chunk.AsMemory(0, Whole), Whole, throwOnEndOfStream: false, cancellation);
        // Only a chunk with nothing behind it was sealed as the last.
        _last = length < Whole || await body.IsAtEndAsync(cancellation);
        if (length < QueueKey.TagSize || !TryOpen(length - QueueKey.TagSize))
        {
            // Whoever reads on gets the same answer, neither an end nor a later chunk.
            _broken = true;
            throw Broken();
        }

        _number++;
        _start = 0;
        _end = length - QueueKey.TagSize;
    }

    private IOException Broken() => new($"message {message}: its body is damaged in chunk {_number}, or was tampered with");

    private bool TryOpen(int length)
    {
        Span<byte> nonce = stackalloc byte[BodyHeader.NonceSize];
        BodyHeader.WriteNonce(nonce, _number, _last);
        Span<byte> chunk = _chunk.AsSpan(0, length);
        try
        {
            cipher.Decrypt(nonce, chunk, _chunk.AsSpan(length, QueueKey.TagSize), chunk, associated);
            return true;
        }
        catch (AuthenticationTagMismatchException)
        {
            return false;
        }
    }
}

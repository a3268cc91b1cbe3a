using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Posthouse.Server.Queueing;

/// <summary>
/// The start of a body that is not stored as it came: <c>NUL P H B</c>, a version, flags, and of an encrypted one the id of the key and a
/// salt. Mail does not begin with a NUL; one that does gets a header without flags. So every body says itself what it is,
/// and a spool may hold bodies of different settings.
/// </summary>
/// <remarks>
/// Compression is Brotli at its fastest, with a window of 256 KiB: on text of 5 KB it takes the time of gzip and saves more, and on base64, of which big
/// mails are made, it takes a fifth of the time and saves a quarter where fast gzip saves nothing. It comes before encryption.
/// An encrypted body is a sequence of chunks of 64 KiB, the last one shorter, each followed by its tag: AES-256-GCM with a nonce of
/// the chunk's number and whether it is the last (the STREAM construction), and the header as associated data. So a body is checked
/// chunk by chunk before it is used, and chunks that are missing, moved or of another message are found.
/// </remarks>
internal readonly record struct BodyHeader(bool IsCompressed, bool IsEncrypted)
{
    public const byte FirstByte = 0;
    public const int ShortSize = 6;
    public const int LongSize = ShortSize + QueueKey.IdSize + QueueKey.SaltSize;
    public const int ChunkSize = 64 * 1024;
    public const int NonceSize = 12;
    private const byte Version = 1;
    private const byte CompressedFlag = 1;
    private const byte EncryptedFlag = 2;

    private static ReadOnlySpan<byte> Magic => [FirstByte, (byte)'P', (byte)'H', (byte)'B', Version];

    /// <summary>The header of a body stored as it came.</summary>
    public static ReadOnlyMemory<byte> Plain { get; } = new byte[] { FirstByte, (byte)'P', (byte)'H', (byte)'B', Version, 0 };

    public int Size => IsEncrypted ? LongSize : ShortSize;

    /// <summary>Writes the header, with a fresh salt if it has one; answers its size.</summary>
    public int Write(Span<byte> destination, QueueKey? key)
    {
        Magic.CopyTo(destination);
        destination[ShortSize - 1] = (byte)((IsCompressed ? CompressedFlag : 0) | (IsEncrypted ? EncryptedFlag : 0));
        if (IsEncrypted)
        {
            key!.Id.CopyTo(destination[ShortSize..]);
            RandomNumberGenerator.Fill(destination.Slice(ShortSize + QueueKey.IdSize, QueueKey.SaltSize));
        }

        return Size;
    }

    /// <summary>Reads the first <see cref="ShortSize"/> bytes; null if they are of no header that this version knows.</summary>
    public static BodyHeader? Read(ReadOnlySpan<byte> start)
    {
        byte flags = start[ShortSize - 1];
        return start.StartsWith(Magic) && (flags & ~(CompressedFlag | EncryptedFlag)) == 0
            ? new((flags & CompressedFlag) != 0, (flags & EncryptedFlag) != 0)
            : null;
    }

    /// <summary>
    /// Whether a body that says it is not encrypted seems to be: ciphertext behind a damaged header must not leave as mail. (Whoever can
    /// write the spool can put plain mail there; a spool may hold both kinds.)
    /// </summary>
    public static bool HasTraces(ReadOnlySpan<byte> body, QueueKey? key) =>
        key is not null && body[..Math.Min(body.Length, 2 * LongSize)].IndexOf(key.Id) >= 0;

    public static void WriteNonce(Span<byte> nonce, uint chunk, bool isLast)
    {
        nonce.Clear();
        BinaryPrimitives.WriteUInt32BigEndian(nonce[(NonceSize - 5)..], chunk);
        nonce[NonceSize - 1] = isLast ? (byte)1 : (byte)0;
    }
}

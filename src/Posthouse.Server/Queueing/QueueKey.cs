using System.Buffers.Binary;
using System.Security.Cryptography;
using Posthouse.Plugs;

namespace Posthouse.Server.Queueing;

/// <summary>
/// The key of <c>queue encryption</c>, and what is derived from it with HKDF (RFC 5869): a key of its own for each body and each sealed
/// envelope, from 16 random bytes that are stored with it. So no nonce is ever used twice under one key, however much mail there is.
/// </summary>
internal sealed class QueueKey
{
    public const int Size = 32;
    public const int IdSize = 4;
    public const int SaltSize = 16;
    public const int TagSize = 16;
    private readonly byte[] _key;
    private readonly byte[] _id = new byte[IdSize];

    /// <exception cref="ArgumentException">The key has not 32 bytes.</exception>
    public QueueKey(ReadOnlySpan<byte> key)
    {
        if (key.Length != Size)
            throw new ArgumentException($"the key of the queue has {Size} bytes, not {key.Length}", nameof(key));
        _key = key.ToArray();
        HKDF.Expand(HashAlgorithmName.SHA256, _key, _id, "posthouse queue key id"u8);
    }

    /// <summary>Tells keys apart without telling anything about them.</summary>
    public ReadOnlySpan<byte> Id => _id;

    /// <summary>The cipher of one body: a body moved to another message does not open.</summary>
    public AesGcm ForBody(MessageId message, ReadOnlySpan<byte> salt) => Derive("posthouse queue body"u8, message.Value, salt);

    /// <summary>The cipher of one sealed envelope, used once.</summary>
    public AesGcm ForEnvelope(EnvelopeId envelope, ReadOnlySpan<byte> salt) => Derive("posthouse queue envelope"u8, envelope.Value, salt);

    private AesGcm Derive(ReadOnlySpan<byte> purpose, ulong id, ReadOnlySpan<byte> salt)
    {
        Span<byte> info = stackalloc byte[64];
        purpose.CopyTo(info);
        BinaryPrimitives.WriteUInt64BigEndian(info[purpose.Length..], id);
        salt.CopyTo(info[(purpose.Length + 8)..]);
        Span<byte> derived = stackalloc byte[Size];
        HKDF.Expand(HashAlgorithmName.SHA256, _key, derived, info[..(purpose.Length + 8 + salt.Length)]);
        AesGcm cipher = new(derived, TagSize);
        CryptographicOperations.ZeroMemory(derived);
        return cipher;
    }
}

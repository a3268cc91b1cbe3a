using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Posthouse.Server.Transport.Keys;

/// <summary>What a private key is called between processes: the SHA-256 of its certificate's SubjectPublicKeyInfo. A renewed certificate with the same key has the same.</summary>
internal readonly record struct KeyId(ulong A, ulong B, ulong C, ulong D)
{
    /// <summary>Length in bytes.</summary>
    internal const int Size = 32;

    /// <summary>Of a certificate's key.</summary>
    internal static KeyId Of(X509Certificate2 certificate) => Read(SHA256.HashData(certificate.PublicKey.ExportSubjectPublicKeyInfo()));

    /// <summary>From the first <see cref="Size"/> bytes.</summary>
    internal static KeyId Read(ReadOnlySpan<byte> bytes) => new(
        BinaryPrimitives.ReadUInt64BigEndian(bytes), BinaryPrimitives.ReadUInt64BigEndian(bytes[8..]),
        BinaryPrimitives.ReadUInt64BigEndian(bytes[16..]), BinaryPrimitives.ReadUInt64BigEndian(bytes[24..]));

    /// <summary>To the first <see cref="Size"/> bytes.</summary>
    internal void Write(Span<byte> bytes)
    {
        BinaryPrimitives.WriteUInt64BigEndian(bytes, A);
        BinaryPrimitives.WriteUInt64BigEndian(bytes[8..], B);
        BinaryPrimitives.WriteUInt64BigEndian(bytes[16..], C);
        BinaryPrimitives.WriteUInt64BigEndian(bytes[24..], D);
    }

    /// <summary>In hexadecimal.</summary>
    public override string ToString() => $"{A:x16}{B:x16}{C:x16}{D:x16}";
}

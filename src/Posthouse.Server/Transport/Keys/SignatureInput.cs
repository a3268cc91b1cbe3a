using System.Security.Cryptography;
using Posthouse.Server.Native;

namespace Posthouse.Server.Transport.Keys;

// A raw RSA operation on bytes of the caller's choice decrypts, and forges whatever can be multiplied together. So a
// block that is said to be padded must look padded (EMSA-PSS, RFC 8017 9.1.2, without the digest, which only the
// caller knows), with the digests and the salt that TLS uses (RFC 8446 4.2.3): what is chosen freely does not, but with a chance of 2^-128 and less.

/// <summary>What a key may be asked to sign: nothing but what TLS makes.</summary>
internal static class SignatureInput
{
    /// <summary>Longest one in bytes: an RSA modulus of 8192 bits.</summary>
    internal const int MaxSize = 1024;

    private static readonly HashAlgorithmName[] s_digests = [HashAlgorithmName.SHA256, HashAlgorithmName.SHA384, HashAlgorithmName.SHA512];

    private static ReadOnlySpan<byte> Sha256Prefix => [0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20];

    private static ReadOnlySpan<byte> Sha384Prefix => [0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02, 0x05, 0x00, 0x04, 0x30];

    private static ReadOnlySpan<byte> Sha512Prefix => [0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03, 0x05, 0x00, 0x04, 0x40];

    /// <summary>The DigestInfo of a SHA-256 digest.</summary>
    internal static byte[] Sha256Info(ReadOnlySpan<byte> digest) => [.. Sha256Prefix, .. digest];

    /// <summary>Whether an input is of the right form for the operation; <paramref name="bits"/> is the length of an RSA modulus.</summary>
    internal static bool IsAllowed(KeyOperation operation, ReadOnlySpan<byte> input, int bits) => operation switch
    {
        KeyOperation.Ecdsa => input.Length is 32 or 48 or 64,
        KeyOperation.RsaPkcs1 => IsDigestInfo(input),
        KeyOperation.RsaPadded => IsPss(input, bits),
        _ => false,
    };

    private static bool IsDigestInfo(ReadOnlySpan<byte> input) => input.Length switch
    {
        19 + 32 => input.StartsWith(Sha256Prefix),
        19 + 48 => input.StartsWith(Sha384Prefix),
        19 + 64 => input.StartsWith(Sha512Prefix),
        _ => false,
    };

    private static bool IsPss(ReadOnlySpan<byte> block, int bits)
    {
        if (block.Length != (bits + 7) / 8 || block.Length > MaxSize || block[^1] != 0xbc) return false;
        // The encoding has one bit less than the modulus, which may be a whole byte.
        if (bits % 8 == 1)
        {
            if (block[0] != 0) return false;
            block = block[1..];
        }
        byte unused = (byte)~(0xff >> ((8 - ((bits - 1) % 8)) % 8));
        if ((block[0] & unused) != 0) return false;
        foreach (HashAlgorithmName digest in s_digests)
            if (IsPss(block, unused, digest)) return true;
        return false;
    }

    private static bool IsPss(ReadOnlySpan<byte> block, byte unused, HashAlgorithmName digest)
    {
        int size = digest == HashAlgorithmName.SHA256 ? 32 : digest == HashAlgorithmName.SHA384 ? 48 : 64;
        int start = block.Length - size - 1;
        int padding = start - size - 1;
        if (padding < 0) return false;
        // MGF1 (RFC 8017 B.2.1), only as far as the zeros and the one go: the salt may be anything.
        Span<byte> seed = stackalloc byte[size + 4];
        block.Slice(start, size).CopyTo(seed);
        Span<byte> mask = stackalloc byte[size];
        for (int done = 0, counter = 0; done <= padding; done += size, counter++)
        {
            seed[^2] = (byte)(counter >> 8);
            seed[^1] = (byte)counter;
            CryptographicOperations.HashData(digest, seed, mask);
            for (int i = 0; i < size && done + i <= padding; i++)
            {
                int plain = block[done + i] ^ mask[i];
                if (done + i == 0) plain &= ~unused;
                if (plain != (done + i == padding ? 1 : 0)) return false;
            }
        }
        return true;
    }
}

using System.Buffers.Binary;
using System.Security.Cryptography;
using Posthouse.Server.Native;
using Posthouse.Server.Transport.Keys;

namespace Posthouse.Fuzz.Targets;

/// <summary>A request to the keys process: the packet, and whether what it brings may be signed.</summary>
public sealed class SigningTarget : IFuzzTarget
{
    private const int Bits = 2048;
    private static readonly HashAlgorithmName[] s_digests = [HashAlgorithmName.SHA256, HashAlgorithmName.SHA384, HashAlgorithmName.SHA512];
    private static readonly int[] s_sizes = [32, 48, 64];

    public static string Name => "signing";

    public static IReadOnlyList<string> Words { get; } = ["\u0001", "\u0002", "\u0003", "\u00bc", "\0\0\0\0\0\0\0\0", "\u0001\u0002\u0003\u0004\u0005", "\u0030\u0031\u0030\r\u0006\t"];

    public static IEnumerable<byte[]> Seeds
    {
        get
        {
            foreach (int size in s_sizes) yield return Packet(KeyOperation.Ecdsa, new byte[size]);
            for (int i = 0; i < s_digests.Length; i++)
            {
                yield return Packet(KeyOperation.RsaPkcs1, Info(i, new byte[s_sizes[i]]));
                yield return Packet(KeyOperation.RsaPadded, Pss(i, new byte[s_sizes[i]]));
            }
        }
    }

    public static bool Run(ReadOnlySpan<byte> input)
    {
        Recorder recorder = new();
        byte[] answer = new byte[SigningPacket.MaxAnswer];
        int length = SigningPacket.Answer(input, recorder, answer);
        bool isRequest = input.Length is > 41 and <= 41 + 1024;
        MismatchException.ThrowUnlessSame(isRequest, length > 0, "whether it is a request");
        if (!isRequest) return false;

        bool expected = IsAllowed((KeyOperation)input[8], input[41..]);
        MismatchException.ThrowUnlessSame(expected, recorder.Allowed, "whether it may be signed");
        MismatchException.ThrowUnlessSame(expected ? 9 + 5 : 9 + 2, length, "the answer's length");
        MismatchException.ThrowUnlessSame(BinaryPrimitives.ReadUInt64LittleEndian(input), SigningPacket.NumberOf(answer), "the number");
        byte[] signature = new byte[10];
        int read = SigningPacket.ReadAnswer(answer.AsSpan(0, length), signature, out string? problem);
        MismatchException.ThrowUnlessSame((expected ? 5 : 0, expected ? null : "refused: no"), (read, problem), "the answer");

        // As an answer, it is read without harm, too.
        if (input.Length >= SigningPacket.AnswerHeader) SigningPacket.ReadAnswer(input, signature, out _);
        return expected;
    }

    private static bool IsAllowed(KeyOperation operation, ReadOnlySpan<byte> input)
    {
        byte[] bytes = input.ToArray();
        return operation switch
        {
            KeyOperation.Ecdsa => s_sizes.Contains(bytes.Length),
            KeyOperation.RsaPkcs1 => Enumerable.Range(0, 3).Any(i => bytes.Length > s_sizes[i] && Info(i, bytes[^s_sizes[i]..]).SequenceEqual(bytes)),
            KeyOperation.RsaPadded => bytes.Length == Bits / 8 && Enumerable.Range(0, 3).Any(i => IsPss(i, bytes)),
            _ => false,
        };
    }

    /// <summary>RFC 8017 9.1.2: with the salt that is found, the whole block is made again.</summary>
    private static bool IsPss(int digest, byte[] block)
    {
        int size = s_sizes[digest], start = block.Length - size - 1;
        byte[] seed = block[start..^1];
        byte[] plain = Masked(digest, block[..start], seed);
        byte[] remade = Masked(digest, [.. new byte[start - size - 1], 1, .. plain[^size..]], seed);
        return block.SequenceEqual((byte[])[.. remade, .. seed, 0xbc]);
    }

    private static byte[] Pss(int digest, byte[] hash)
    {
        byte[] salt = [.. Enumerable.Repeat((byte)7, hash.Length)];
        byte[] seed = CryptographicOperations.HashData(s_digests[digest], (byte[])[.. new byte[8], .. hash, .. salt]);
        return [.. Masked(digest, [.. new byte[(Bits / 8) - (2 * hash.Length) - 2], 1, .. salt], seed), .. seed, 0xbc];
    }

    private static byte[] Masked(int digest, byte[] block, byte[] seed)
    {
        byte[] masked = [.. block];
        for (int i = 0; i < masked.Length; i++)
            masked[i] ^= CryptographicOperations.HashData(s_digests[digest], (byte[])[.. seed, 0, 0, 0, (byte)(i / seed.Length)])[i % seed.Length];
        masked[0] &= 0x7f;
        return masked;
    }

    /// <summary>RFC 8017 9.2, note 1.</summary>
    private static byte[] Info(int digest, byte[] hash) =>
        [0x30, (byte)(hash.Length + 17), 0x30, 13, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, (byte)(digest + 1), 5, 0, 4, (byte)hash.Length, .. hash];

    private static byte[] Packet(KeyOperation operation, byte[] input)
    {
        byte[] packet = new byte[SigningPacket.RequestHeader + input.Length];
        SigningPacket.WriteRequest(packet, 1234567890123, new KeyId(1, 2, 3, 4), operation, input);
        return packet;
    }

    /// <summary>A key table that signs with five bytes what may be signed.</summary>
    private sealed class Recorder : IKeySigner
    {
        public bool Allowed { get; private set; }

        public int Sign(KeyId key, KeyOperation operation, ReadOnlySpan<byte> input, Span<byte> signature, out string? problem)
        {
            Allowed = SignatureInput.IsAllowed(operation, input, Bits);
            problem = Allowed ? null : "no";
            return Allowed ? 5 : 0;
        }
    }
}

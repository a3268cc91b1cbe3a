using System.Buffers.Binary;
using System.Numerics;
using System.Runtime.InteropServices;

namespace Posthouse.Server.Queueing.Log;

/// <summary>CRC-32C (Castagnoli), by the processor's own instruction where it has one: about 8 GB/s.</summary>
internal static class Crc32C
{
    public static uint Of(ReadOnlySpan<byte> data) => Extend(0, data);

    /// <summary>The checksum of what <paramref name="crc"/> covers followed by <paramref name="data"/>.</summary>
    public static uint Extend(uint crc, ReadOnlySpan<byte> data)
    {
        crc = ~crc;
        ReadOnlySpan<ulong> words = MemoryMarshal.Cast<byte, ulong>(data);
        foreach (ulong word in words)
            crc = BitOperations.Crc32C(crc, BitConverter.IsLittleEndian ? word : BinaryPrimitives.ReverseEndianness(word));
        foreach (byte rest in data[(words.Length * sizeof(ulong))..])
            crc = BitOperations.Crc32C(crc, rest);
        return ~crc;
    }
}

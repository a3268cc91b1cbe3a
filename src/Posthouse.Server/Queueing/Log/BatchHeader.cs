using System.Buffers.Binary;

namespace Posthouse.Server.Queueing.Log;

/// <summary>
/// Stands before each batch of records. <see cref="Mark"/> is the segment's random number, so that nothing a mail
/// contains can pass for a batch. <see cref="Durable"/> is how much of the segment had been synced when the batch was
/// written: it tells recovery whether a broken batch before it was ever acknowledged. <see cref="Digest"/> is made of
/// the checksums of the record headers, which cover everything else.
/// </summary>
internal readonly record struct BatchHeader(ulong Mark, ulong Sequence, int Length, int Count, long Durable, uint Digest)
{
    public const int Size = 40;

    public void Write(Span<byte> to)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(to, Mark);
        BinaryPrimitives.WriteUInt64LittleEndian(to[8..], Sequence);
        BinaryPrimitives.WriteInt32LittleEndian(to[16..], Length);
        BinaryPrimitives.WriteInt32LittleEndian(to[20..], Count);
        BinaryPrimitives.WriteInt64LittleEndian(to[24..], Durable);
        BinaryPrimitives.WriteUInt32LittleEndian(to[32..], Digest);
        BinaryPrimitives.WriteUInt32LittleEndian(to[36..], Crc32C.Of(to[..36]));
    }

    public static bool TryRead(ReadOnlySpan<byte> from, ulong mark, out BatchHeader header)
    {
        header = default;
        if (from.Length < Size || BinaryPrimitives.ReadUInt64LittleEndian(from) != mark
            || BinaryPrimitives.ReadUInt32LittleEndian(from[36..]) != Crc32C.Of(from[..36]))
            return false;
        header = new(mark, BinaryPrimitives.ReadUInt64LittleEndian(from[8..]), BinaryPrimitives.ReadInt32LittleEndian(from[16..]),
            BinaryPrimitives.ReadInt32LittleEndian(from[20..]), BinaryPrimitives.ReadInt64LittleEndian(from[24..]), BinaryPrimitives.ReadUInt32LittleEndian(from[32..]));
        return header is { Length: > 0, Count: > 0 };
    }
}

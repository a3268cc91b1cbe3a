using System.Buffers.Binary;

namespace Posthouse.Server.Queueing.Log;

/// <summary>
/// The beginning of a segment file: format version, its number, its random mark, and where earlier segments end
/// ("cuts"): what stands behind a cut was never acknowledged, or was written again later. It stands there twice, in
/// different blocks, because without it nothing of the segment can be read.
/// </summary>
internal sealed record SegmentHeader(int Number, ulong Mark, IReadOnlyList<(int Segment, long End)> Cuts)
{
    /// <summary>The version this server writes. It reads all versions up to this one.</summary>
    public const uint Version = 1;

    public const int MaxCuts = 64;

    /// <summary>Where a second copy of the header stands.</summary>
    public const int SecondCopy = 4096;

    /// <summary>Where the first batch stands.</summary>
    public const int Room = 2 * SecondCopy;

    private const int FixedSize = 40;
    private const int CutSize = 16;

    private static ReadOnlySpan<byte> Magic => "posthlog"u8;

    private int Size => FixedSize + (Cuts.Count * CutSize) + 4;

    public byte[] ToBytes()
    {
        byte[] bytes = new byte[Room];
        Span<byte> to = bytes.AsSpan(0, Size);
        Magic.CopyTo(to);
        BinaryPrimitives.WriteUInt32LittleEndian(to[8..], Version);
        BinaryPrimitives.WriteInt32LittleEndian(to[12..], Size);
        BinaryPrimitives.WriteInt64LittleEndian(to[16..], Number);
        BinaryPrimitives.WriteUInt64LittleEndian(to[24..], Mark);
        BinaryPrimitives.WriteInt32LittleEndian(to[32..], Cuts.Count);
        for (int i = 0; i < Cuts.Count; i++)
        {
            BinaryPrimitives.WriteInt64LittleEndian(to[(FixedSize + (i * CutSize))..], Cuts[i].Segment);
            BinaryPrimitives.WriteInt64LittleEndian(to[(FixedSize + (i * CutSize) + 8)..], Cuts[i].End);
        }

        BinaryPrimitives.WriteUInt32LittleEndian(to[^4..], Crc32C.Of(to[..^4]));
        to.CopyTo(bytes.AsSpan(SecondCopy));
        return bytes;
    }

    /// <summary>Reads a header from the first <see cref="Room"/> bytes of a file. A version that is not known counts as intact: the caller refuses to go on.</summary>
    public static bool TryRead(ReadOnlySpan<byte> from, out SegmentHeader? header, out uint version) =>
        TryReadCopy(from, out header, out version)
        || (from.Length > SecondCopy && TryReadCopy(from[SecondCopy..], out header, out version));

    private static bool TryReadCopy(ReadOnlySpan<byte> from, out SegmentHeader? header, out uint version)
    {
        header = null;
        version = 0;
        if (from.Length < FixedSize + 4 || !from.StartsWith(Magic))
            return false;
        int size = BinaryPrimitives.ReadInt32LittleEndian(from[12..]);
        if (size < FixedSize + 4 || size > from.Length || BinaryPrimitives.ReadUInt32LittleEndian(from[(size - 4)..]) != Crc32C.Of(from[..(size - 4)]))
            return false;
        version = BinaryPrimitives.ReadUInt32LittleEndian(from[8..]);
        if (version != Version)
            return true;
        int count = BinaryPrimitives.ReadInt32LittleEndian(from[32..]);
        if (count < 0 || count > MaxCuts || size != FixedSize + (count * CutSize) + 4)
            return false;
        var cuts = new (int, long)[count];
        for (int i = 0; i < count; i++)
        {
            cuts[i] = ((int)BinaryPrimitives.ReadInt64LittleEndian(from[(FixedSize + (i * CutSize))..]),
                BinaryPrimitives.ReadInt64LittleEndian(from[(FixedSize + (i * CutSize) + 8)..]));
        }

        header = new((int)BinaryPrimitives.ReadInt64LittleEndian(from[16..]), BinaryPrimitives.ReadUInt64LittleEndian(from[24..]), cuts);
        return true;
    }
}

using System.Buffers.Binary;

namespace Posthouse.Server.Queueing.Log;

/// <summary>
/// Stands before each record: length, kind, id, checksum of the payload, checksum of itself. Little-endian. An id is
/// the whole envelope id, or a message id in its place (the upper half).
/// </summary>
internal readonly record struct RecordHeader(RecordKind Kind, ulong Id, int Length, uint PayloadCrc)
{
    public const int Size = 24;

    public uint Message => (uint)(Id >> 32);

    public static ulong IdOf(uint message) => (ulong)message << 32;

    public void Write(Span<byte> to)
    {
        BinaryPrimitives.WriteInt32LittleEndian(to, Length);
        BinaryPrimitives.WriteUInt32LittleEndian(to[4..], (uint)Kind);
        BinaryPrimitives.WriteUInt64LittleEndian(to[8..], Id);
        BinaryPrimitives.WriteUInt32LittleEndian(to[16..], PayloadCrc);
        BinaryPrimitives.WriteUInt32LittleEndian(to[20..], Crc32C.Of(to[..20]));
    }

    /// <summary>The checksum of a written header, which is what a batch's digest is made of.</summary>
    public static ReadOnlySpan<byte> CrcOf(ReadOnlySpan<byte> header) => header.Slice(20, 4);

    public static bool TryRead(ReadOnlySpan<byte> from, out RecordHeader header)
    {
        header = default;
        if (from.Length < Size || BinaryPrimitives.ReadUInt32LittleEndian(from[20..]) != Crc32C.Of(from[..20]))
            return false;
        uint kind = BinaryPrimitives.ReadUInt32LittleEndian(from[4..]);
        header = new((RecordKind)kind, BinaryPrimitives.ReadUInt64LittleEndian(from[8..]),
            BinaryPrimitives.ReadInt32LittleEndian(from), BinaryPrimitives.ReadUInt32LittleEndian(from[16..]));
        return header.Length >= 0 && kind is >= (uint)RecordKind.Message and <= (uint)RecordKind.Delete;
    }

    /// <summary>Reads a header that this process wrote into memory.</summary>
    public static RecordHeader ReadTrusted(ReadOnlySpan<byte> from) => new(
        (RecordKind)from[4], BinaryPrimitives.ReadUInt64LittleEndian(from[8..]), BinaryPrimitives.ReadInt32LittleEndian(from), BinaryPrimitives.ReadUInt32LittleEndian(from[16..]));

    /// <summary>Whether <paramref name="record"/> begins with an intact header followed by its intact payload.</summary>
    public static bool TryReadIntact(ReadOnlySpan<byte> record, out RecordHeader header) =>
        TryRead(record, out header) && record.Length - Size >= header.Length
        && Crc32C.Of(record.Slice(Size, header.Length)) == header.PayloadCrc;

    /// <summary>Writes header and payload; the payload must stand behind the header already or be <paramref name="payload"/>.</summary>
    public static int WriteRecord(Span<byte> to, RecordKind kind, ulong id, ReadOnlySpan<byte> payload)
    {
        payload.CopyTo(to[Size..]);
        new RecordHeader(kind, id, payload.Length, Crc32C.Of(payload)).Write(to);
        return Size + payload.Length;
    }
}

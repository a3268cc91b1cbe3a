using System.Buffers;
using System.Buffers.Binary;

namespace Posthouse.Server.Queueing.Log;

/// <summary>
/// The end of a sealed segment: everything in it that still counts, so that a start reads footers and no bodies.
/// <para>
/// First come copies of the envelopes that are live when the segment is sealed (usually few: most mail has left by then),
/// because a start reads every envelope and would otherwise read the bodies between them; a segment that is mostly
/// envelopes has no copies. Then the entries, then the numbers of the segments it buries and supersedes, then a trailer
/// at the very end of the file.
/// </para>
/// </summary>
internal static class SegmentFooter
{
    private const int EntrySize = 40;
    private const int TrailerSize = 48;

    // Copies of more than a quarter of the segment would cost more than they save.
    private const int CopyShare = 4;

    /// <summary>Makes the footer of a segment whose valid part ends at its length. The caller holds the gate.</summary>
    /// <param name="segment">The segment.</param>
    /// <param name="state">What is live.</param>
    /// <param name="moved">Envelope entries as they are after the footer is written: the index is to point to the copies.</param>
    public static byte[] Build(LogSegment segment, LogState state, out List<SegmentEntry> moved)
    {
        var live = new List<SegmentEntry>();
        long envelopeBytes = 0;
        foreach (SegmentEntry entry in segment.Entries!)
        {
            bool isEnvelope = entry.Kind is RecordKind.Envelope or RecordKind.Update;
            if (entry.Kind != RecordKind.Delete && !state.IsLive(segment, entry)) continue;
            live.Add(isEnvelope && state.Index.EnvelopeAt(state.Index.FindEnvelope(entry.Id)).HasOlder ? entry with { Extra = 1 } : entry);
            if (isEnvelope) envelopeBytes += RecordHeader.Size + entry.Length;
        }

        moved = [];
        bool copies = envelopeBytes < segment.Length / CopyShare;
        var writer = new ArrayBufferWriter<byte>((int)(copies ? envelopeBytes : 0) + (live.Count * EntrySize) + 256);
        for (int i = 0; copies && i < live.Count; i++)
        {
            SegmentEntry entry = live[i];
            if (entry.Kind is not (RecordKind.Envelope or RecordKind.Update)) continue;
            Span<byte> to = writer.GetSpan(RecordHeader.Size + entry.Length)[..(RecordHeader.Size + entry.Length)];
            if (segment.File.Read(to, entry.Offset) != to.Length) continue;
            live[i] = entry with { Offset = segment.Length + writer.WrittenCount };
            writer.Advance(to.Length);
            moved.Add(live[i]);
        }

        int entriesAt = writer.WrittenCount;
        foreach (SegmentEntry entry in live)
            WriteEntry(writer, entry);
        foreach (HashSet<int> set in (HashSet<int>[])[segment.Buries, segment.Supersedes])
        {
            WriteInt(writer, set.Count);
            foreach (int number in set)
                WriteInt(writer, number);
        }

        uint crc = Crc32C.Of(writer.WrittenSpan);
        Span<byte> trailer = writer.GetSpan(TrailerSize)[..TrailerSize];
        trailer.Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(trailer, ~segment.Mark);
        BinaryPrimitives.WriteInt64LittleEndian(trailer[8..], segment.Length);
        BinaryPrimitives.WriteInt64LittleEndian(trailer[16..], segment.Length + entriesAt);
        BinaryPrimitives.WriteInt32LittleEndian(trailer[24..], live.Count);
        BinaryPrimitives.WriteInt32LittleEndian(trailer[28..], segment.BuriesByInheritance ? 1 : 0);
        BinaryPrimitives.WriteUInt32LittleEndian(trailer[40..], crc);
        BinaryPrimitives.WriteUInt32LittleEndian(trailer[44..], Crc32C.Of(trailer[..44]));
        writer.Advance(TrailerSize);
        return writer.WrittenSpan.ToArray();
    }

    /// <summary>The entries of a segment that has been sealed in this run or read before; null if its footer is damaged.</summary>
    public static List<SegmentEntry>? TryReadEntries(LogSegment segment) => TryRead(segment, segment.Length, restore: false);

    /// <summary>Reads the footer that ends at <paramref name="end"/> and restores the segment's sets; null if there is no intact one.</summary>
    public static List<SegmentEntry>? TryRead(LogSegment segment, long end, bool restore = true)
    {
        Span<byte> trailer = stackalloc byte[TrailerSize];
        if (end < TrailerSize || segment.File.Read(trailer, end - TrailerSize) != TrailerSize
            || BinaryPrimitives.ReadUInt64LittleEndian(trailer) != ~segment.Mark
            || BinaryPrimitives.ReadUInt32LittleEndian(trailer[44..]) != Crc32C.Of(trailer[..44]))
            return null;
        long start = BinaryPrimitives.ReadInt64LittleEndian(trailer[8..]);
        long entriesAt = BinaryPrimitives.ReadInt64LittleEndian(trailer[16..]);
        int count = BinaryPrimitives.ReadInt32LittleEndian(trailer[24..]);
        long size = end - TrailerSize - start;
        if (start < 0 || size < 0 || size > int.MaxValue || entriesAt < start || count < 0 || entriesAt + ((long)count * EntrySize) > end - TrailerSize)
            return null;

        // Reading the copied envelopes too checks them and has them in the page cache when the start walks them.
        byte[] buffer = ArrayPool<byte>.Shared.Rent((int)size);
        try
        {
            Span<byte> footer = buffer.AsSpan(0, (int)size);
            if (segment.File.Read(footer, start) != size || Crc32C.Of(footer) != BinaryPrimitives.ReadUInt32LittleEndian(trailer[40..]))
                return null;
            var entries = new List<SegmentEntry>(count);
            ReadOnlySpan<byte> rest = footer[(int)(entriesAt - start)..];
            for (int i = 0; i < count; i++, rest = rest[EntrySize..])
                entries.Add(ReadEntry(rest));
            if (!restore) return entries;
            foreach (HashSet<int> set in (HashSet<int>[])[segment.Buries, segment.Supersedes])
            {
                int numbers = BinaryPrimitives.ReadInt32LittleEndian(rest);
                rest = rest[4..];
                for (int i = 0; i < numbers; i++, rest = rest[4..])
                    set.Add(BinaryPrimitives.ReadInt32LittleEndian(rest));
            }

            segment.BuriesByInheritance = BinaryPrimitives.ReadInt32LittleEndian(trailer[28..]) != 0;
            return entries;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static void WriteEntry(ArrayBufferWriter<byte> writer, in SegmentEntry entry)
    {
        Span<byte> to = writer.GetSpan(EntrySize)[..EntrySize];
        BinaryPrimitives.WriteInt32LittleEndian(to, (int)entry.Kind);
        BinaryPrimitives.WriteInt32LittleEndian(to[4..], entry.Length);
        BinaryPrimitives.WriteUInt64LittleEndian(to[8..], entry.Id);
        BinaryPrimitives.WriteInt64LittleEndian(to[16..], entry.Offset);
        BinaryPrimitives.WriteInt64LittleEndian(to[24..], entry.Extra);
        BinaryPrimitives.WriteInt64LittleEndian(to[32..], entry.BodyLength);
        writer.Advance(EntrySize);
    }

    private static SegmentEntry ReadEntry(ReadOnlySpan<byte> from) => new(
        (RecordKind)BinaryPrimitives.ReadInt32LittleEndian(from), BinaryPrimitives.ReadUInt64LittleEndian(from[8..]),
        BinaryPrimitives.ReadInt64LittleEndian(from[16..]), BinaryPrimitives.ReadInt32LittleEndian(from[4..]),
        BinaryPrimitives.ReadInt64LittleEndian(from[24..]), BinaryPrimitives.ReadInt64LittleEndian(from[32..]));

    private static void WriteInt(ArrayBufferWriter<byte> writer, int value)
    {
        BinaryPrimitives.WriteInt32LittleEndian(writer.GetSpan(4), value);
        writer.Advance(4);
    }
}

using System.Buffers.Binary;
using Microsoft.Extensions.Logging;

namespace Posthouse.Server.Queueing.Log;

/// <summary>
/// Reads a segment batch by batch, where there is no footer. A broken batch at the end of the last segment was never
/// acknowledged and ends it, unless an intact batch behind it says that it had been durable: then it has rotted, as any
/// broken batch of an earlier segment has. What has rotted is copied to quarantine, records in it that are intact by
/// themselves are saved, and reading goes on at the next batch. The segment's random mark keeps the content of a mail
/// from being taken for one.
/// </summary>
internal sealed class LogScanner(LogSegment segment, ILogFiles files, LogState state, ILogger logger)
{
    private const int Window = 1 << 20;

    private byte[] _buffer = new byte[64 << 10];

    /// <summary>Something was quarantined.</summary>
    public bool HasDamage { get; private set; }

    /// <summary>The entry of a record that stands at <paramref name="offset"/>.</summary>
    public static SegmentEntry EntryOf(in RecordHeader header, ReadOnlySpan<byte> payload, long offset)
    {
        bool big = header.Kind == RecordKind.BigMessage && BodyReference.TryRead(payload, out _);
        BodyReference body = default;
        if (big) BodyReference.TryRead(payload, out body);
        return new(header.Kind, header.Id, offset, header.Length, body.Number, body.Length);
    }

    /// <summary>Applies everything from <paramref name="at"/> to <paramref name="end"/> and returns where the valid part ends.</summary>
    public long Scan(long at, long end, bool isLast)
    {
        while (at < end)
        {
            if (TryReadBatch(at, end, out BatchHeader header))
            {
                ApplyRecords(_buffer.AsSpan(0, header.Length), at + BatchHeader.Size, mayBeBroken: false);
                at += BatchHeader.Size + header.Length;
                continue;
            }

            if (isLast && !WasDurable(at, end))
                return at;
            long next = FindBatch(at + 1, end);
            int saved = Save(at, next);
            HasDamage = true;
            LogQueueLog.Damaged(logger, segment.Number, at, next - at, saved);
            Quarantine(at, next);
            at = next;
        }

        return at;
    }

    // Reads a whole batch into the buffer; true if every bit of it is right.
    private bool TryReadBatch(long at, long end, out BatchHeader header)
    {
        Span<byte> head = stackalloc byte[BatchHeader.Size];
        if (segment.File.Read(head, at) != head.Length || !BatchHeader.TryRead(head, segment.Mark, out header) || at + BatchHeader.Size + header.Length > end)
        {
            header = default;
            return false;
        }

        if (_buffer.Length < header.Length)
            _buffer = new byte[header.Length];
        Span<byte> records = _buffer.AsSpan(0, header.Length);
        if (segment.File.Read(records, at + BatchHeader.Size) != records.Length)
            return false;
        uint digest = 0;
        int count = 0;
        for (int position = 0; position < records.Length; count++)
        {
            ReadOnlySpan<byte> record = records[position..];
            if (!RecordHeader.TryReadIntact(record, out RecordHeader found))
                return false;
            digest = Crc32C.Extend(digest, RecordHeader.CrcOf(record));
            position += RecordHeader.Size + found.Length;
        }

        return count == header.Count && digest == header.Digest;
    }

    private int ApplyRecords(ReadOnlySpan<byte> records, long offset, bool mayBeBroken)
    {
        int applied = 0;
        for (int at = 0; at < records.Length;)
        {
            ReadOnlySpan<byte> record = records[at..];
            if (!RecordHeader.TryRead(record, out RecordHeader header) || header.Length > record.Length - RecordHeader.Size)
                break;
            if (!mayBeBroken || RecordHeader.TryReadIntact(record, out _))
            {
                state.Apply(segment, EntryOf(header, record.Slice(RecordHeader.Size, header.Length), offset + at));
                applied++;
            }

            at += RecordHeader.Size + header.Length;
        }

        return applied;
    }

    // The records of a broken batch lie where they should if its header is right.
    private int Save(long at, long next)
    {
        Span<byte> head = stackalloc byte[BatchHeader.Size];
        if (segment.File.Read(head, at) != head.Length || !BatchHeader.TryRead(head, segment.Mark, out BatchHeader header) || at + BatchHeader.Size + header.Length > next)
            return 0;
        byte[] records = new byte[header.Length];
        int length = segment.File.Read(records, at + BatchHeader.Size);
        return ApplyRecords(records.AsSpan(0, length), at + BatchHeader.Size, mayBeBroken: true);
    }

    private bool WasDurable(long at, long end)
    {
        for (long next = FindBatch(at + 1, end); next < end; next = FindBatch(next + 1, end))
        {
            if (TryReadBatch(next, end, out BatchHeader header) && header.Durable > at)
                return true;
        }

        return false;
    }

    // The next place that looks like the header of a batch that fits, or the end.
    private long FindBatch(long at, long end)
    {
        byte[] window = new byte[(int)Math.Min(Window, Math.Max(0, end - at))];
        Span<byte> mark = stackalloc byte[sizeof(ulong)];
        BinaryPrimitives.WriteUInt64LittleEndian(mark, segment.Mark);
        while (end - at >= BatchHeader.Size)
        {
            int length = segment.File.Read(window.AsSpan(0, (int)Math.Min(window.Length, end - at)), at);
            if (length < BatchHeader.Size) break;
            ReadOnlySpan<byte> bytes = window.AsSpan(0, length);
            for (int skipped = 0; ;)
            {
                int found = bytes[skipped..].IndexOf(mark);
                if (found < 0 || skipped + found + BatchHeader.Size > length) break;
                skipped += found;
                if (BatchHeader.TryRead(bytes[skipped..], segment.Mark, out BatchHeader header) && at + skipped + BatchHeader.Size + header.Length <= end)
                    return at + skipped;
                skipped++;
            }

            // The windows overlap by a header less one byte.
            at += length - BatchHeader.Size + 1;
        }

        return end;
    }

    private void Quarantine(long from, long to)
    {
        string name = LogNames.Quarantined(segment.Number, from);
        try
        {
            // A segment that cannot be sealed is scanned at every start; one copy is enough.
            if (files.List(LogNames.Quarantine).Contains(Path.GetFileName(name))) return;
            using ILogFile copy = files.Create(name);
            byte[] window = new byte[(int)Math.Min(Window, to - from)];
            for (long at = from; at < to;)
            {
                int length = segment.File.Read(window.AsSpan(0, (int)Math.Min(window.Length, to - at)), at);
                if (length == 0) break;
                copy.Write([window.AsMemory(0, length)], at - from);
                at += length;
            }

            copy.Sync();
            files.SyncFolder(LogNames.Quarantine);
        }
        catch (IOException e)
        {
            LogQueueLog.HousekeepingFailed(logger, $"copying to {name}", e.Message);
        }
    }
}

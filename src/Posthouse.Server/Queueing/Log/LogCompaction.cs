using Posthouse.Plugs;

namespace Posthouse.Server.Queueing.Log;

/// <summary>
/// Copies what is left of a mostly dead segment to the end of the log. The copies are chosen on the writer's thread
/// immediately before they are written, so that nothing that died or changed meanwhile comes back to life.
/// </summary>
internal static class LogCompaction
{
    private const int StepBytes = 1 << 20;

    /// <summary>Copies everything that counts in <paramref name="from"/>; afterwards nothing in it does.</summary>
    public static async Task<QueueResult> RunAsync(LogSegment from, LogState state, LogWriter writer)
    {
        List<SegmentEntry> entries;
        lock (state.Gate)
            entries = from.Entries is { } known ? [.. known] : [];
        if (entries.Count == 0)
            entries = SegmentFooter.TryReadEntries(from) ?? [];
        for (int at = 0; at < entries.Count;)
        {
            var origins = new List<SegmentEntry>();
            int bytes = 0;
            lock (state.Gate)
            {
                for (; at < entries.Count && bytes < StepBytes; at++)
                {
                    if (!IsNeeded(state, from, entries[at])) continue;
                    origins.Add(entries[at]);
                    bytes += RecordHeader.Size + entries[at].Length;
                }
            }

            if (origins.Count == 0) continue;
            byte[] buffer = new byte[bytes];
            int length = 0;
            for (int i = 0; i < origins.Count;)
            {
                Span<byte> to = buffer.AsSpan(length, RecordHeader.Size + origins[i].Length);
                if (Copy(from, origins[i], to))
                {
                    length += to.Length;
                    i++;
                }
                else
                {
                    return QueueResult.Error($"the record of {origins[i].Id:x16} is damaged");
                }
            }

            var unit = new LogUnit(LogUnitKind.Copy, 0, buffer, length, origins.Count) { Origins = origins, From = from };
            QueueResult result = await writer.WriteAsync(unit);
            if (result.Status == QueueStatus.Error) return result;
        }

        lock (state.Gate)
        {
            // The copies of its tombstones bury in its place.
            if (from.LiveRecords == 0) from.Buries.Clear();
        }

        return QueueResult.Ok;
    }

    /// <summary>Takes out of a copy what is not needed any more. Called by the writer, under the gate.</summary>
    public static void KeepLive(LogUnit unit, LogState state)
    {
        List<SegmentEntry> origins = unit.Origins!;
        int kept = 0;
        int from = 0;
        int to = 0;
        for (int i = 0; i < origins.Count; i++)
        {
            int length = RecordHeader.Size + origins[i].Length;
            if (IsNeeded(state, unit.From!, origins[i]))
            {
                unit.Buffer.AsSpan(from, length).CopyTo(unit.Buffer.AsSpan(to));
                origins[kept++] = origins[i];
                to += length;
            }

            from += length;
        }

        origins.RemoveRange(kept, origins.Count - kept);
        unit.Count = kept;
        unit.Length = to;
    }

    /// <summary>What a copied record takes over from its original.</summary>
    public static SegmentEntry Inherit(LogSegment segment, LogUnit unit, in SegmentEntry origin, in SegmentEntry copy)
    {
        if (copy.Kind != RecordKind.Delete)
            return copy;
        foreach (int buried in unit.From!.Buries)
        {
            if (buried != segment.Number) segment.Buries.Add(buried);
        }

        segment.BuriesByInheritance |= unit.From.BuriesByInheritance;
        return copy with { Extra = origin.Extra };
    }

    private static bool IsNeeded(LogState state, LogSegment from, in SegmentEntry entry) =>
        entry.Kind == RecordKind.Delete
            ? from.Buries.Count > 0 && (from.BuriesByInheritance || state.Segments.ContainsKey((int)entry.Extra))
            : state.IsLive(from, entry);

    private static bool Copy(LogSegment from, in SegmentEntry entry, Span<byte> to)
    {
        if (entry.Kind == RecordKind.Delete)
        {
            RecordHeader.WriteRecord(to, RecordKind.Delete, entry.Id, []);
            return true;
        }

        return from.File.Read(to, entry.Offset) == to.Length && RecordHeader.TryReadIntact(to, out RecordHeader header) && header.Id == entry.Id;
    }
}

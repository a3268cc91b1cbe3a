namespace Posthouse.Server.Queueing.Log;

/// <summary>
/// One segment file and what must be known to decide when it can go. Guarded by the lock of its <see cref="LogState"/>,
/// except that only the writer touches <see cref="Durable"/>.
/// </summary>
internal sealed class LogSegment(int number, ulong mark, ILogFile file)
{
    public int Number => number;

    public ulong Mark => mark;

    public ILogFile File => file;

    /// <summary>Where the next batch goes, or where the valid part ends.</summary>
    public long Length { get; set; }

    /// <summary>How much of it is on stable storage.</summary>
    public long Durable { get; set; }

    /// <summary>It is written no more.</summary>
    public bool IsSealed { get; set; }

    /// <summary>Sealed without a footer: a sync failed or its end could not be written. It is emptied by compaction.</summary>
    public bool IsAbandoned { get; set; }

    /// <summary>Records in it that the index points to.</summary>
    public int LiveRecords { get; set; }

    public long LiveBytes { get; set; }

    /// <summary>Segments with a record that a tombstone in this one takes back: it must outlive them.</summary>
    public HashSet<int> Buries { get; } = [];

    /// <summary>Segments with older versions of envelopes in this one. Who buries this one buries them too once it is gone.</summary>
    public HashSet<int> Supersedes { get; } = [];

    /// <summary>Abandoned segments whose end is told by the header of this one: it must outlive them too.</summary>
    public HashSet<int> Cuts { get; } = [];

    /// <summary>Nothing needs it: no record in it counts, and no older file depends on it.</summary>
    public bool IsNeedless => IsSealed && LiveRecords == 0 && Buries.Count == 0 && Cuts.Count == 0;

    /// <summary>Some of <see cref="Buries"/> came from segments that are gone, so its tombstones are needed without looking at each.</summary>
    public bool BuriesByInheritance { get; set; }

    /// <summary>What was written, in order: the material of the footer. Null once there is a footer.</summary>
    public List<SegmentEntry>? Entries { get; set; } = [];
}

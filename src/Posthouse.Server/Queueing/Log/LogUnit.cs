using System.Buffers;
using Posthouse.Plugs;

namespace Posthouse.Server.Queueing.Log;

/// <summary>What a caller wants done.</summary>
internal enum LogUnitKind
{
    /// <summary>A new message with its envelopes.</summary>
    Commit,

    /// <summary>Envelopes for a message that exists.</summary>
    Extend,

    Update,

    Delete,

    /// <summary>Live records of an old segment, by compaction.</summary>
    Copy,

    /// <summary>Nothing, but everything before it is durable when it is answered.</summary>
    Barrier,
}

/// <summary>Records that stand or fall together, made by the caller, and the answer it waits for.</summary>
internal sealed class LogUnit(LogUnitKind kind, ulong id, byte[] buffer, int length, int count)
    : TaskCompletionSource<QueueResult>(TaskCreationOptions.RunContinuationsAsynchronously)
{
    public LogUnitKind Kind => kind;

    public ulong Id => id;

    /// <summary>The records, one after another; rented for a <see cref="LogUnitKind.Commit"/>.</summary>
    public byte[] Buffer { get; set; } = buffer;

    public int Length { get; set; } = length;

    /// <summary>How many records.</summary>
    public int Count { get; set; } = count;

    /// <summary>Where the first record was written.</summary>
    public long Position { get; set; }

    /// <summary>For a copy: what the records were, in the same order, and the segment they come from.</summary>
    public List<SegmentEntry>? Origins { get; init; }

    public LogSegment? From { get; init; }

    public bool IsDurable => kind is LogUnitKind.Commit or LogUnitKind.Extend or LogUnitKind.Barrier;

    /// <summary>What it needs known cannot change while it is written, so it is written alone.</summary>
    public bool IsAlone => kind is LogUnitKind.Extend or LogUnitKind.Copy;

    /// <summary>An update or a delete of one envelope.</summary>
    public static LogUnit OfEnvelope(LogUnitKind kind, EnvelopeId envelope, ReadOnlySpan<byte> json)
    {
        byte[] buffer = new byte[RecordHeader.Size + json.Length];
        RecordHeader.WriteRecord(buffer, kind == LogUnitKind.Update ? RecordKind.Update : RecordKind.Delete, envelope.Value, json);
        return new(kind, envelope.Value, buffer, buffer.Length, 1);
    }

    public static LogUnit Barrier() => new(LogUnitKind.Barrier, 0, [], 0, 0);

    public void ReturnBuffer()
    {
        if (kind != LogUnitKind.Commit || Buffer.Length == 0) return;
        ArrayPool<byte>.Shared.Return(Buffer);
        Buffer = [];
    }
}

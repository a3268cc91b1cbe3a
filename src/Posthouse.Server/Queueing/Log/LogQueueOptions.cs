namespace Posthouse.Server.Queueing.Log;

/// <summary>How the log store works; the defaults suit a server.</summary>
public sealed record LogQueueOptions
{
    /// <summary>Bytes of a segment file before a new one begins; 64 MiB.</summary>
    public int SegmentSize { get; init; } = 64 << 20;

    /// <summary>Content of more bytes than this gets a file of its own; 256 KiB.</summary>
    public int LargestInlineBody { get; init; } = 256 << 10;

    /// <summary>Bytes written at once at most; more waits for the next batch; 4 MiB.</summary>
    public int BatchSize { get; init; } = 4 << 20;

    /// <summary>Bytes of messages that may be in memory before they are written; beyond it, content moves to files of its own while it comes in; 64 MiB.</summary>
    public long WaitingBytes { get; init; } = 64 << 20;

    /// <summary>Bytes of recent messages kept in memory for their delivery; 32 MiB.</summary>
    public long RecentBytes { get; init; } = 32 << 20;

    /// <summary>How long a recent message is kept in memory; 2 minutes.</summary>
    public TimeSpan RecentTime { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>How long an update or delete may stay unsynced; 500 ms, so that with the sync itself it is within the second promised.</summary>
    public TimeSpan SyncDelay { get; init; } = TimeSpan.FromMilliseconds(500);
}

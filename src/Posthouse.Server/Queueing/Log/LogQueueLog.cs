using Microsoft.Extensions.Logging;
using Posthouse.Plugs;

namespace Posthouse.Server.Queueing.Log;

/// <summary>What the log store says in the log: event ids 1550 to 1579.</summary>
internal static partial class LogQueueLog
{
    [LoggerMessage(1550, LogLevel.Information, "queue: log: {Messages} messages with {Envelopes} envelopes in {Segments} segments")]
    public static partial void Opened(ILogger logger, int messages, int envelopes, int segments);

    [LoggerMessage(1551, LogLevel.Warning, "queue: log: segment {Segment} ends at {Offset}; {Bytes} bytes after it were never acknowledged and are dropped")]
    public static partial void TornTail(ILogger logger, int segment, long offset, long bytes);

    [LoggerMessage(1552, LogLevel.Error, "queue: log: segment {Segment} is damaged at {Offset}: {Bytes} bytes copied to quarantine, {Saved} records saved from them")]
    public static partial void Damaged(ILogger logger, int segment, long offset, long bytes, int saved);

    [LoggerMessage(1553, LogLevel.Error, "queue: log: the header of segment {Segment} is damaged: the file was moved to quarantine")]
    public static partial void DamagedSegment(ILogger logger, int segment);

    [LoggerMessage(1554, LogLevel.Error, "queue: log: envelope {Id} has lost its message and cannot be served")]
    public static partial void LostMessage(ILogger logger, EnvelopeId id);

    [LoggerMessage(1555, LogLevel.Error, "queue: log: {Operation} of segment {Segment} failed, it is written no more: {Reason}")]
    public static partial void Abandoned(ILogger logger, string operation, int segment, string reason);

    [LoggerMessage(1556, LogLevel.Error, "queue: log: a batch of {Units} failed: {Reason}")]
    public static partial void BatchFailed(ILogger logger, int units, string reason);

    [LoggerMessage(1557, LogLevel.Error, "queue: log: envelope {Id} cannot be read and is left out: {Reason}")]
    public static partial void UnreadableEnvelope(ILogger logger, EnvelopeId id, string reason);

    [LoggerMessage(1558, LogLevel.Error, "queue: log: the content of message {Id} is damaged: {Reason}")]
    public static partial void DamagedContent(ILogger logger, MessageId id, string reason);

    [LoggerMessage(1559, LogLevel.Warning, "queue: log: {Operation} failed and will be repeated: {Reason}")]
    public static partial void HousekeepingFailed(ILogger logger, string operation, string reason);

    [LoggerMessage(1560, LogLevel.Critical, "queue: log: the writer met an error it does not know")]
    public static partial void WriterFailed(ILogger logger, Exception exception);

    [LoggerMessage(1561, LogLevel.Warning, "queue: log: unfinished content {Path} could not be removed; the next start does it: {Reason}")]
    public static partial void NotRemoved(ILogger logger, string path, string reason);
}

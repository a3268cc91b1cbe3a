using Microsoft.Extensions.Logging;
using Posthouse.Plugs;

namespace Posthouse.Server.Queueing;

/// <summary>What the queue says in the log: event ids 1500 to 1549.</summary>
internal static partial class QueueingLog
{
    [LoggerMessage(1500, LogLevel.Warning, "queue: envelope {Id} is damaged and left alone: {Reason}")]
    public static partial void DamagedEnvelope(ILogger logger, EnvelopeId id, string? reason);

    [LoggerMessage(1501, LogLevel.Warning, "queue: {Operation} of envelope {Id} failed and will be repeated: {Reason}")]
    public static partial void KeptForRepeat(ILogger logger, string operation, EnvelopeId id, string? reason);

    [LoggerMessage(1502, LogLevel.Information, "queue: {Operation} of envelope {Id} succeeded at last")]
    public static partial void Repeated(ILogger logger, string operation, EnvelopeId id);

    [LoggerMessage(1503, LogLevel.Error, "queue: commit of message {Id} failed: {Reason}")]
    public static partial void CommitFailed(ILogger logger, MessageId id, string? reason);

    [LoggerMessage(1504, LogLevel.Error, "queue: the walk stopped: {Reason}")]
    public static partial void WalkFailed(ILogger logger, string? reason);

    [LoggerMessage(1505, LogLevel.Error, "queue: a listener of commits failed on message {Id}")]
    public static partial void ListenerFailed(ILogger logger, MessageId id, Exception exception);

    [LoggerMessage(1506, LogLevel.Warning, "queue: the disk of the spool is short of {What}; new mail is refused with 452 until there is more")]
    public static partial void SpaceShort(ILogger logger, string what);

    [LoggerMessage(1507, LogLevel.Information, "queue: the disk of the spool has room again")]
    public static partial void SpaceBack(ILogger logger);

    [LoggerMessage(1508, LogLevel.Error, "queue: {Path} cannot be read: {Reason}")]
    public static partial void Unreadable(ILogger logger, string path, string reason);

    [LoggerMessage(1509, LogLevel.Warning, "queue: message {Id} has no envelope left and is removed")]
    public static partial void Orphan(ILogger logger, MessageId id);

    [LoggerMessage(1510, LogLevel.Error, "queue: {Path} cannot be synced: {Reason}")]
    public static partial void SyncFailed(ILogger logger, string path, string reason);

    [LoggerMessage(1511, LogLevel.Error, "queue: {Path} cannot be removed: {Reason}")]
    public static partial void RemoveFailed(ILogger logger, string path, string reason);

    [LoggerMessage(1512, LogLevel.Warning, "queue: a batch of {Count} writes failed and is repeated one by one: {Reason}")]
    public static partial void BatchFailed(ILogger logger, int count, string reason);

    [LoggerMessage(1513, LogLevel.Warning, "queue: the spool also has a store {Other}, whose mail is not delivered while the queue backend is {Name}")]
    public static partial void OtherStore(ILogger logger, string other, string name);

    [LoggerMessage(1514, LogLevel.Error, "queue: {Count} envelopes cannot be opened and are left alone, the first being {Id}: {Reason}")]
    public static partial void Unopened(ILogger logger, int count, EnvelopeId id, string? reason);

    [LoggerMessage(1515, LogLevel.Error, "queue: envelope {Id} cannot be opened: {Reason}")]
    public static partial void Unopenable(ILogger logger, EnvelopeId id, string? reason);

    [LoggerMessage(1516, LogLevel.Error, "queue: {Operation} of envelope {Id} was never done; after the next start it may be delivered again")]
    public static partial void NeverConfirmed(ILogger logger, string operation, EnvelopeId id);
}

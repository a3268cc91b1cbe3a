using Microsoft.Extensions.Logging;
using Posthouse.Plugs;

namespace Posthouse.Server.Delivering;

/// <summary>What the dispatcher says in the log: event ids 1900 to 1929. The lines of a delivery are what log readers parse.</summary>
internal static partial class DeliveringLog
{
    [LoggerMessage(1900, LogLevel.Information,
        "{Session} mda delivery evpid={Id} from=<{Sender}> to=<{Destination}> rcpt=<{Recipient}> user={User} delay={Delay} result={Result} stat={Text}")]
    public static partial void LocalDelivery(
        ILogger logger, string session, EnvelopeId id, string sender, string destination, string recipient, string? user, string delay, string result, string text);

    [LoggerMessage(1901, LogLevel.Information,
        "{Session} mta delivery evpid={Id} from=<{Sender}> to=<{Destination}> rcpt=<{Recipient}> relay=\"{Relay}\" delay={Delay} result=\"{Result}\" stat=\"{Text}\"")]
    public static partial void Relay(
        ILogger logger, string session, EnvelopeId id, string sender, string destination, string recipient, string? relay, string delay, string result, string text);

    [LoggerMessage(1902, LogLevel.Information,
        "{Session} bounce delivery evpid={Id} from=<> to=<{Destination}> delay={Delay} result={Result} stat={Text}")]
    public static partial void Bounce(ILogger logger, string session, EnvelopeId id, string destination, string delay, string result, string text);

    [LoggerMessage(1903, LogLevel.Information,
        "{Way}: {Action} for {Id}: from=<{Sender}>, to=<{Destination}>, rcpt=<{Recipient}>, delay={Delay}, stat={Text}")]
    public static partial void Ended(
        ILogger logger, string way, string action, EnvelopeId id, string sender, string destination, string recipient, string delay, string text);

    [LoggerMessage(1904, LogLevel.Information, "queue: found {Envelopes} envelopes of {Messages} messages")]
    public static partial void Found(ILogger logger, long envelopes, long messages);

    [LoggerMessage(1905, LogLevel.Error, "delivery: an error in the delivery of {Id}; it is tried again later")]
    public static partial void DeliveryThrew(ILogger logger, EnvelopeId id, Exception exception);

    [LoggerMessage(1906, LogLevel.Error, "delivery: the result of {Id} ({Outcome}) could not be recorded")]
    public static partial void NotRecorded(ILogger logger, EnvelopeId id, string outcome, Exception exception);

    [LoggerMessage(1907, LogLevel.Warning, "delivery: envelope {Id} cannot be loaded now: {Reason}")]
    public static partial void NotLoaded(ILogger logger, EnvelopeId id, string? reason);

    [LoggerMessage(1908, LogLevel.Warning, "delivery: envelope {Id} is not in the queue any more")]
    public static partial void Gone(ILogger logger, EnvelopeId id);

    [LoggerMessage(1909, LogLevel.Error, "delivery: the scheduler failed; asking it again")]
    public static partial void SchedulerFailed(ILogger logger, Exception exception);

    [LoggerMessage(1910, LogLevel.Warning, "bounce: the {Type} notice of {Id} could not be queued: {Reason}")]
    public static partial void BounceNotQueued(ILogger logger, string type, EnvelopeId id, string? reason);

    [LoggerMessage(1911, LogLevel.Information, "bounce: {Id} to <{Recipient}> failed and has nobody to tell, dropped: {Text}")]
    public static partial void DoubleBounce(ILogger logger, EnvelopeId id, string recipient, string text);

    [LoggerMessage(1912, LogLevel.Warning, "delivery: {Running} deliveries were still running after {Seconds} s and were given up; they are tried again at the next start")]
    public static partial void GaveUp(ILogger logger, int running, int seconds);

    [LoggerMessage(1913, LogLevel.Warning, "warn: the server crashed while {Count} deliveries were under way; those that are under way at another crash are suspended")]
    public static partial void Crashed(ILogger logger, int count);

    [LoggerMessage(1914, LogLevel.Warning,
        "warn: envelope {Id} is suspended: it was being delivered at {Crashes} crashes of the server. Look at it by `posthouse ctl show message {Id}`, then `posthouse ctl resume envelope {Id}` or `posthouse ctl remove {Id}`")]
    public static partial void Suspended(ILogger logger, EnvelopeId id, int crashes);

    [LoggerMessage(1915, LogLevel.Warning, "warn: {Path} cannot be used, so mail that crashes the server would not be recognised: {Reason}")]
    public static partial void NoInFlightRecord(ILogger logger, string path, string reason);
}

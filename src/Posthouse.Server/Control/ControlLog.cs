using Microsoft.Extensions.Logging;

namespace Posthouse.Server.Control;

internal static partial class ControlLog
{
    [LoggerMessage(2100, LogLevel.Information, "control: {Verb} {Argument} by uid {Uid}: {Result}")]
    public static partial void Done(ILogger logger, string verb, string argument, uint? uid, string result);

    [LoggerMessage(2101, LogLevel.Warning, "control: refused uid {Uid} ({Count} clients refused since this was last said)")]
    public static partial void Refused(ILogger logger, uint? uid, long count);

    [LoggerMessage(2102, LogLevel.Warning, "control: bad request of uid {Uid}: {Problem}")]
    public static partial void BadRequest(ILogger logger, uint? uid, string problem);

    [LoggerMessage(2103, LogLevel.Error, "control: {Verb} failed")]
    public static partial void Failed(ILogger logger, string verb, Exception error);
}

using Microsoft.Extensions.Logging;

namespace Posthouse.Server.Transport;

internal static partial class TransportLog
{
    [LoggerMessage(1200, LogLevel.Warning, "smtp-in: cannot accept on {Listener}: {Error}; trying again in {Milliseconds} ms")]
    public static partial void AcceptFailed(ILogger logger, string listener, string error, int milliseconds);

    [LoggerMessage(1201, LogLevel.Error, "smtp-in: session on {Listener} failed")]
    public static partial void SessionFailed(ILogger logger, string listener, Exception error);

    [LoggerMessage(1202, LogLevel.Error, "smtp-in: listener {Listener} is gone: {Error}")]
    public static partial void ListenerGone(ILogger logger, string listener, string error);
}

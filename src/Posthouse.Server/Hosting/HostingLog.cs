using Microsoft.Extensions.Logging;

namespace Posthouse.Server.Hosting;

internal static partial class HostingLog
{
    [LoggerMessage(2200, LogLevel.Information, "info: Posthouse {Version} starting")]
    public static partial void Starting(ILogger logger, string version);

    [LoggerMessage(2201, LogLevel.Information, "info: ready")]
    public static partial void Ready(ILogger logger);

    [LoggerMessage(2202, LogLevel.Information, "Exiting")]
    public static partial void Exiting(ILogger logger);

    [LoggerMessage(2203, LogLevel.Information, "info: listening on {EndPoint}{Options}")]
    public static partial void Listening(ILogger logger, string endPoint, string options);

    [LoggerMessage(2204, LogLevel.Warning, "warn: {Position}: {What}: not supported by this version, ignored")]
    public static partial void Unsupported(ILogger logger, string position, string what);

    [LoggerMessage(2205, LogLevel.Warning, "warn: {Failure}; mail that needs it is deferred until it can be read")]
    public static partial void TableFailed(ILogger logger, string failure);

    [LoggerMessage(2206, LogLevel.Information, "info: table {Table}: read again")]
    public static partial void TableUpdated(ILogger logger, string table);

    [LoggerMessage(2207, LogLevel.Warning, "warn: table {Table}: {Error}; its old content stays")]
    public static partial void TableUpdateFailed(ILogger logger, string table, string error);

    [LoggerMessage(2209, LogLevel.Information, "info: stopping: no new sessions; {Sessions} open")]
    public static partial void Stopping(ILogger logger, int sessions);

    [LoggerMessage(2210, LogLevel.Information, "info: no longer listening on {EndPoint}; sessions go on")]
    public static partial void NotListening(ILogger logger, string endPoint);

    [LoggerMessage(2211, LogLevel.Information, "info: reload: the new configuration is in force")]
    public static partial void Reloaded(ILogger logger);

    [LoggerMessage(2212, LogLevel.Warning, "warn: reload: {Difference} changes only at a restart")]
    public static partial void OnlyAtRestart(ILogger logger, string difference);

    [LoggerMessage(2213, LogLevel.Warning, "warn: reload: refused, the old configuration stays in force: {Reason}")]
    public static partial void ReloadRefused(ILogger logger, string reason);

    [LoggerMessage(2230, LogLevel.Error, "error: looking for changed certificates failed")]
    public static partial void CertificatesUnwatched(ILogger logger, Exception exception);
}

using Microsoft.Extensions.Logging;

namespace Posthouse.Server.Tables;

internal static partial class TablesLog
{
    [LoggerMessage(1300, LogLevel.Information, "table: {Name}: {Count} entries loaded from {Path}")]
    public static partial void Loaded(ILogger logger, string name, int count, string path);

    [LoggerMessage(1301, LogLevel.Warning, "table: {Name}: not updated, the old content stays: {Error}")]
    public static partial void NotUpdated(ILogger logger, string name, string error);

    [LoggerMessage(1302, LogLevel.Warning, "table: {Name}: entry ignored: {Position} \"{Key}\" {Error}")]
    public static partial void EntryIgnored(ILogger logger, string name, string position, string key, string error);

    [LoggerMessage(1303, LogLevel.Warning, "table: {Name}: {Service} lookup failed: {Error}")]
    public static partial void LookupFailed(ILogger logger, string name, string service, string error);
}

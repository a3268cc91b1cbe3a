using Microsoft.Extensions.Logging;

namespace Posthouse.Server.Hosting;

internal static partial class ParentLog
{
    [LoggerMessage(2250, LogLevel.Warning, "warn: {Role} ended: {How}; starting another")]
    public static partial void ProcessEnded(ILogger logger, string role, string how);

    [LoggerMessage(2251, LogLevel.Information, "info: {Role} started again")]
    public static partial void ProcessStarted(ILogger logger, string role);

    [LoggerMessage(2252, LogLevel.Error, "error: {Role} cannot be started: {Why}; trying again")]
    public static partial void ProcessNotStarted(ILogger logger, string role, string why);

    [LoggerMessage(2253, LogLevel.Error, "error: engine has not answered for {Seconds} s: killing it")]
    public static partial void EngineSilent(ILogger logger, double seconds);

    [LoggerMessage(2254, LogLevel.Information, "info: spool: {Count} files are {User}'s now")]
    public static partial void SpoolHandedOver(ILogger logger, int count, string user);

    [LoggerMessage(2255, LogLevel.Warning, "warn: spool: {Name} is no plain file with one name, and was left alone")]
    public static partial void SpoolEntryLeft(ILogger logger, string name);

    [LoggerMessage(2256, LogLevel.Information, "info: {Role} runs without {What}: {Why}")]
    public static partial void NotRestricted(ILogger logger, string role, string what, string why);

    [LoggerMessage(2257, LogLevel.Warning, "warn: a socket of the supervisor is not used: {Why}")]
    public static partial void NotInherited(ILogger logger, string why);

    [LoggerMessage(2258, LogLevel.Warning, "warn: state: {Path} is the server's own now, and nobody else may write to it: {Why} until now")]
    public static partial void StateTaken(ILogger logger, string path, string why);

    [LoggerMessage(2259, LogLevel.Warning, "warn: plugs {What}: each can read, stop and pretend to be the others; give them users of their own")]
    public static partial void PlugsShareUser(ILogger logger, string what);
}

using Microsoft.Extensions.Logging;

namespace Posthouse.Server.Processes;

internal static partial class ProcessesLog
{
    [LoggerMessage(1000, LogLevel.Warning, ".forward of {User} is not obeyed: {Why}")]
    internal static partial void UnsafeForward(ILogger logger, string user, string why);

    [LoggerMessage(1001, LogLevel.Warning, "cannot check passwords of the system: {Why}")]
    internal static partial void PasswordsUnavailable(ILogger logger, string why);

    [LoggerMessage(1002, LogLevel.Warning, "cannot start {Program} as {User}: {Why}")]
    internal static partial void StartFailed(ILogger logger, string program, string user, string why);

    [LoggerMessage(1003, LogLevel.Warning, "warn: {Peer} did not answer {Kind} within {Seconds} s")]
    internal static partial void NoAnswer(ILogger logger, string peer, MessageKind kind, double seconds);

    [LoggerMessage(1004, LogLevel.Warning, "warn: the conversation with {Peer} is broken: {Why}")]
    internal static partial void ChannelBroken(ILogger logger, string peer, string why);

    [LoggerMessage(1005, LogLevel.Error, "error: {Peer} asked {Kind}, which failed")]
    internal static partial void QuestionFailed(ILogger logger, string peer, MessageKind kind, Exception exception);

    [LoggerMessage(1006, LogLevel.Warning, "warn: plugs run as {User}, who runs the server, without user, group or chroot of their own: the server was not started as root")]
    internal static partial void PlugsNotSeparated(ILogger logger, string user);

    [LoggerMessage(1040, LogLevel.Debug, "debug: waited for {Count} orphans")]
    internal static partial void OrphansReaped(ILogger logger, int count);

    [LoggerMessage(1041, LogLevel.Warning, "warn: offline mail cannot be used: {Why}")]
    internal static partial void OfflineUnusable(ILogger logger, string why);

    [LoggerMessage(1042, LogLevel.Information, "info: offline mail {Name} of user {Uid} submitted")]
    internal static partial void OfflineSubmitted(ILogger logger, string name, uint uid);

    [LoggerMessage(1043, LogLevel.Warning, "warn: offline mail {Name} of user {Uid} is set aside: {Why}")]
    internal static partial void OfflineSetAside(ILogger logger, string name, uint uid, string why);

    [LoggerMessage(1044, LogLevel.Warning, "warn: offline mail {Name} of user {Uid} waits: {Why}")]
    internal static partial void OfflineWaits(ILogger logger, string name, uint uid, string why);
}

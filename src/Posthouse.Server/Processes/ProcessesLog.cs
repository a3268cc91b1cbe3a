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
}

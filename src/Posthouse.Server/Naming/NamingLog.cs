using Microsoft.Extensions.Logging;

namespace Posthouse.Server.Naming;

internal static partial class NamingLog
{
    [LoggerMessage(1100, LogLevel.Debug, "lookup: {Type} of {Name} failed: {Problem}")]
    public static partial void QuestionFailed(ILogger logger, string type, string name, string? problem);
}

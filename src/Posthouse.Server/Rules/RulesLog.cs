using Microsoft.Extensions.Logging;

namespace Posthouse.Server.Rules;

internal static partial class RulesLog
{
    [LoggerMessage(1800, LogLevel.Warning, "rules: temporary failure for <{Recipient}>: {Detail}")]
    public static partial void TemporaryFailure(ILogger logger, string recipient, string detail);

    [LoggerMessage(1801, LogLevel.Information, "rules: <{Recipient}> refused: {Detail}")]
    public static partial void Refused(ILogger logger, string recipient, string detail);
}

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

    [LoggerMessage(1203, LogLevel.Information, "pki {Pki}: certificate changed, using the new one")]
    public static partial void CertificateReplaced(ILogger logger, string pki);

    [LoggerMessage(1204, LogLevel.Warning, "pki {Pki}: the changed certificate cannot be used, keeping the old one: {Problem}")]
    public static partial void CertificateKept(ILogger logger, string pki, string? problem);

    [LoggerMessage(1205, LogLevel.Warning, "{Problem} in \"{Ciphers}\"")]
    public static partial void CipherIgnored(ILogger logger, string problem, string ciphers);

    [LoggerMessage(1206, LogLevel.Warning, "tls: {Count} signatures not made since the last such line: {Problem}")]
    public static partial void NoSignature(ILogger logger, long count, string problem);

    [LoggerMessage(1207, LogLevel.Warning, "{Name}: the certificate cannot be used: {Problem}")]
    public static partial void CertificateRefused(ILogger logger, string name, string problem);

    [LoggerMessage(1208, LogLevel.Information, "ca {Ca}: authorities changed, using the new ones")]
    public static partial void AuthoritiesReplaced(ILogger logger, string ca);

    [LoggerMessage(1209, LogLevel.Warning, "ca {Ca}: the changed authorities cannot be used, keeping the old ones: {Problem}")]
    public static partial void AuthoritiesKept(ILogger logger, string ca, string? problem);
}

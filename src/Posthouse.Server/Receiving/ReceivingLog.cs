using Microsoft.Extensions.Logging;
using Posthouse.Plugs;

namespace Posthouse.Server.Receiving;

/// <summary>What sessions say in the log, in the forms of OpenSMTPD's maillog: event ids 2000 to 2099.</summary>
internal static partial class ReceivingLog
{
    [LoggerMessage(2000, LogLevel.Information, "{Session} smtp connected address={Address} host={Host}")]
    public static partial void Connected(ILogger logger, string session, string address, string host);

    [LoggerMessage(2001, LogLevel.Information, "{Session} smtp disconnected reason={Reason}")]
    public static partial void Disconnected(ILogger logger, string session, string reason);

    [LoggerMessage(2002, LogLevel.Information, "{Session} smtp refused address={Address} reason=\"{Reason}\"")]
    public static partial void Refused(ILogger logger, string session, string address, string reason);

    [LoggerMessage(2003, LogLevel.Information, "{Session} smtp event=proxy address={Address}")]
    public static partial void Proxied(ILogger logger, string session, string address);

    [LoggerMessage(2004, LogLevel.Information, "{Session} smtp tls ciphers={Ciphers}")]
    public static partial void Encrypted(ILogger logger, string session, string ciphers);

    [LoggerMessage(2005, LogLevel.Information, "{Session} smtp cert-check result=\"{Result}\" fingerprint=\"{Fingerprint}\"")]
    public static partial void CertificateChecked(ILogger logger, string session, string result, string fingerprint);

    [LoggerMessage(2006, LogLevel.Information, "{Session} smtp authentication user={User} result={Result}")]
    public static partial void Authentication(ILogger logger, string session, string user, string result);

    [LoggerMessage(2007, LogLevel.Information, "{Session} smtp failed-command command=\"{Command}\" result=\"{Result}\"")]
    public static partial void FailedCommand(ILogger logger, string session, string command, string result);

    [LoggerMessage(2008, LogLevel.Information, "{Session} smtp bad-input result=\"{Result}\"")]
    public static partial void BadInput(ILogger logger, string session, string result);

    [LoggerMessage(2009, LogLevel.Information, "{Session} smtp message msgid={Message} size={Size} nrcpt={Recipients} proto={Protocol}")]
    public static partial void MessageAccepted(ILogger logger, string session, MessageId message, long size, int recipients, string protocol);

    [LoggerMessage(2010, LogLevel.Information, "{Session} smtp envelope evpid={Envelope} from=<{Sender}> to=<{Recipient}>")]
    public static partial void EnvelopeAccepted(ILogger logger, string session, EnvelopeId envelope, string sender, string recipient);

    [LoggerMessage(2011, LogLevel.Error, "{Session} smtp session failed")]
    public static partial void SessionFailed(ILogger logger, string session, Exception error);

    [LoggerMessage(2012, LogLevel.Warning, "{Session} smtp message not stored: {Reason}")]
    public static partial void NotStored(ILogger logger, string session, string reason);

    [LoggerMessage(2013, LogLevel.Information, "{Session} smtp limit reached: {Limit}")]
    public static partial void LimitReached(ILogger logger, string session, string limit);
}

namespace Posthouse.Wire;

/// <summary>The replies to commands that cannot be read (RFC 5321 section 4.2.4, codes of RFC 3463 and RFC 6531).</summary>
internal static class CommandErrors
{
    internal static readonly SmtpReply ControlByte = new(500, new(5, 5, 2), "Syntax error: Control character in command");
    internal static readonly SmtpReply NoArgumentAllowed = new(501, new(5, 5, 4), "Invalid command arguments: No parameters allowed");
    internal static readonly SmtpReply MailSyntax = new(501, new(5, 5, 2), "Syntax error: MAIL FROM:<address> expected");
    internal static readonly SmtpReply RcptSyntax = new(501, new(5, 5, 2), "Syntax error: RCPT TO:<address> expected");
    internal static readonly SmtpReply BdatSyntax = new(501, new(5, 5, 4), "Invalid command arguments: BDAT size [LAST] expected");
    internal static readonly SmtpReply SenderSyntax = new(553, new(5, 1, 7), "Sender address syntax error");
    internal static readonly SmtpReply RecipientSyntax = new(553, new(5, 1, 3), "Recipient address syntax error");
    internal static readonly SmtpReply ParameterSyntax = new(501, new(5, 5, 4), "Invalid command arguments: Malformed parameter");
    internal static readonly SmtpReply ParameterTwice = new(501, new(5, 5, 4), "Invalid command arguments: Parameter given twice");
    internal static readonly SmtpReply ParameterUnknown = new(555, new(5, 5, 4), "Invalid command arguments: Unsupported parameter");
    internal static readonly SmtpReply SenderNeedsUtf8 = new(550, new(5, 6, 7), "Non-ASCII addresses not permitted without SMTPUTF8");
}

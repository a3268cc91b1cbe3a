using Posthouse.Wire;

namespace Posthouse.Server.Rules;

/// <summary>The refusals of RCPT, in OpenSMTPD's words.</summary>
internal static class Replies
{
    public static SmtpReply InvalidRecipient(Mailbox recipient) => new(550, new(5, 1, 1), $"Invalid recipient: <{recipient}>");

    public static SmtpReply TemporaryFailure(Mailbox recipient) => new(451, new(4, 3, 0), $"Temporary failure: <{recipient}>");

    public static SmtpReply NoRelaying(Mailbox recipient) => new(451, new(4, 3, 5), $"Temporary failure: <{recipient}>: relaying is not available");

    public static SmtpReply ExpansionProblem(Mailbox recipient) => new(524, new(5, 2, 4), $"Mailing list expansion problem: <{recipient}>");
}

using Posthouse.Wire;

namespace Posthouse.Server.Filtering;

/// <summary>What a client hears when a filter cannot answer.</summary>
internal static class FilterReplies
{
    internal const string ConnectLater = "421 4.3.0 Temporary failure, try again later";
    internal const string Later = "451 4.3.0 Temporary failure";
    internal const string Refused = "550 5.3.0 Refused";
    internal const string ConnectRefused = "554 5.3.0 Refused";

    internal static readonly SmtpReply Temporary = new(451, new(4, 3, 0), "Temporary failure");
    internal static readonly SmtpReply Permanent = new(550, new(5, 3, 0), "Refused");
    internal static readonly SmtpReply Different = new(451, new(4, 3, 0), "Temporary failure, try again");
    internal static readonly SmtpReply OutputTooLarge = new(552, new(5, 3, 4), "Message size exceeds fixed maximum message size");
    internal static readonly SmtpReply NoSpace = new(452, new(4, 3, 1), "Insufficient system storage");
}

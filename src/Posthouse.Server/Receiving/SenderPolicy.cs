using Posthouse.Plugs;
using Posthouse.Wire;

namespace Posthouse.Server.Receiving;

/// <summary>Whether an authenticated user may send as an address: <c>senders</c> of a listener.</summary>
internal static class SenderPolicy
{
    /// <summary>Null when he may; else the refusal. The null sender is nobody's, so it is refused like a stranger's.</summary>
    internal static async ValueTask<SmtpReply?> JudgeAsync(ITable senders, string user, Mailbox? sender)
    {
        TableResult allowed = await senders.LookupAsync(TableService.MailAddrMap, user);
        if (allowed.Status == TableStatus.Error)
            return Replies.TemporaryFailure;
        if (!allowed.IsFound || sender == null)
            return Replies.SenderRejected;
        foreach (string entry in (allowed.Value ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            if (Matches(entry, sender))
                return null;
        }
        return Replies.SenderRejected;
    }

    // user@domain, @domain, user, or @ for all; the domain in any case.
    private static bool Matches(string entry, Mailbox sender)
    {
        int at = entry.LastIndexOf('@');
        string user = at < 0 ? entry : entry[..at];
        string domain = at < 0 ? "" : entry[(at + 1)..];
        return (user.Length == 0 || string.Equals(user, sender.LocalPart, StringComparison.OrdinalIgnoreCase))
            && (domain.Length == 0 || string.Equals(domain, sender.Domain, StringComparison.OrdinalIgnoreCase));
    }
}

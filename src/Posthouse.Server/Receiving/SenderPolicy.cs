using Posthouse.Plugs;
using Posthouse.Server.Tables;
using Posthouse.Wire;

namespace Posthouse.Server.Receiving;

/// <summary>Whether an authenticated user may send as an address: <c>senders</c> of a listener.</summary>
internal static class SenderPolicy
{
    /// <summary>Null when he may; else the refusal. The null sender is nobody's, so it is refused like a stranger's.</summary>
    internal static async ValueTask<SmtpReply?> JudgeAsync(ITable senders, string user, Mailbox? sender, char subAddressDelimiter)
    {
        TableResult allowed = await senders.LookupAsync(TableService.MailAddrMap, user);
        if (allowed.Status == TableStatus.Error)
            return Replies.TemporaryFailure;
        if (!allowed.IsFound || sender == null)
            return Replies.SenderRejected;
        MailAddressMatcher entries = new(subAddressDelimiter);
        foreach (string entry in (allowed.Value ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
            entries.Add(entry, 0);
        return entries.Find($"{sender.LocalPart}@{sender.Domain}") >= 0 ? null : Replies.SenderRejected;
    }
}

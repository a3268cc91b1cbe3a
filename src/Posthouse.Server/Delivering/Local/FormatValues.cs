using Posthouse.Plugs;
using Posthouse.Server.Model;

namespace Posthouse.Server.Delivering.Local;

/// <summary>What format specifiers stand for in one delivery.</summary>
/// <param name="Sender">Envelope sender; empty is the null sender.</param>
/// <param name="Recipient">The recipient as the client gave it.</param>
/// <param name="Destination">The address after expansion.</param>
/// <param name="UserName">The user delivered as.</param>
/// <param name="UserDirectory">That user's directory.</param>
/// <param name="Delimiter">What stands between a local part and its sub-address.</param>
internal sealed record FormatValues(string Sender, string Recipient, string Destination, string UserName, string UserDirectory, char Delimiter)
{
    internal static FormatValues Of(Envelope envelope, UserAccount account, char delimiter) =>
        new(envelope.Sender, envelope.Recipient.Length > 0 ? envelope.Recipient : envelope.Destination, envelope.Destination, account.Name, account.Home, delimiter);

    /// <summary>The value of a specifier by its name in lower case; null if there is no such specifier.</summary>
    internal string? Find(string name) => name switch
    {
        "sender" => Sender,
        "sender.user" => LocalPart(Sender),
        "sender.domain" => Domain(Sender),
        "rcpt" => Recipient,
        "rcpt.user" => LocalPart(Recipient),
        "rcpt.domain" => Domain(Recipient),
        "dest" => Destination,
        "dest.user" => LocalPart(Destination),
        "dest.domain" => Domain(Destination),
        "user.username" => UserName,
        "user.directory" => UserDirectory,
        "mbox.from" => Sender.Length > 0 ? Sender : "MAILER-DAEMON",
        _ => null,
    };

    internal static string LocalPart(string address) => address.LastIndexOf('@') is >= 0 and int at ? address[..at] : address;

    internal static string Domain(string address) => address.LastIndexOf('@') is >= 0 and int at ? address[(at + 1)..] : "";
}

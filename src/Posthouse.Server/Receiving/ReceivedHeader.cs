using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Posthouse.Plugs;
using Posthouse.Server.Transport;

namespace Posthouse.Server.Receiving;

/// <summary>The trace field put before a message (RFC 5321 section 4.4), in OpenSMTPD's form.</summary>
internal static class ReceivedHeader
{
    internal static string Build(SmtpDialogue dialogue, SessionProfile profile, string reverseName, MessageId message, TlsInfo? tls, string? onlyRecipient, DateTimeOffset now)
    {
        StringBuilder text = new(400);
        text.Append("Received: ");
        if (!profile.MaskSource)
            text.Append("from ").Append(dialogue.Helo).Append(" (").Append(reverseName).Append(" [").Append(dialogue.Client).Append("])\r\n\t");
        text.Append("by ").Append(dialogue.ServerName).Append(" (Posthouse) with ")
            .Append(dialogue.IsExtended ? "ESMTP" : "SMTP")
            .Append(dialogue.IsEncrypted ? "S" : "")
            .Append(dialogue.IsAuthenticated ? "A" : "")
            .Append(" id ").Append(message);
        if (tls != null)
            text.Append(" (").Append(tls).Append(':').Append(tls.IsClientVerified ? "YES" : "NO").Append(')');
        if (profile.ReceivedAuth)
        {
            text.Append(dialogue.IsAuthenticated ? " auth=yes" : " auth=no");
            if (dialogue.User is { } user && IsPlain(user))
                text.Append(" user=").Append(user);
        }
        if (onlyRecipient != null)
            text.Append("\r\n\tfor <").Append(onlyRecipient).Append('>');
        text.Append(";\r\n\t").Append(Date(now)).Append("\r\n");
        return text.ToString();
    }

    /// <summary>A date of RFC 5322 in UTC, with the zone's name as a comment.</summary>
    internal static string Date(DateTimeOffset now) =>
        now.UtcDateTime.ToString("ddd, d MMM yyyy HH':'mm':'ss '+0000 (UTC)'", CultureInfo.InvariantCulture);

    /// <summary>An address as SMTP writes it in brackets, without these.</summary>
    internal static string Literal(IPAddress address) =>
        address.AddressFamily == AddressFamily.InterNetworkV6 ? $"IPv6:{Plain(address)}" : address.ToString();

    /// <summary>An address as text without the zone of a scoped IPv6 address, which means nothing beyond this host.</summary>
    internal static string Plain(IPAddress address) =>
        address.AddressFamily == AddressFamily.InterNetworkV6 && address.ScopeId != 0 ? new IPAddress(address.GetAddressBytes()).ToString() : address.ToString();

    // A name with anything odd in it is left out rather than quoted: parsers of this field are simple.
    private static bool IsPlain(string user)
    {
        foreach (char c in user)
        {
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('.' or '-' or '_' or '@' or '+'))
                return false;
        }
        return true;
    }
}

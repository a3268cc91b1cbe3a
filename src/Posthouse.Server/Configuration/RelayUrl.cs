using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Posthouse.Server.Configuration;

/// <summary>A next hop: <c>[scheme://][label@]host[:port]</c>. The host is a host, never a mail domain.</summary>
/// <param name="Scheme">How it is spoken to.</param>
/// <param name="Label">The key of its credentials; null: no authentication.</param>
/// <param name="Host">A name, or an address without brackets.</param>
/// <param name="Port">The TCP port.</param>
public sealed record RelayUrl(RelayScheme Scheme, string? Label, string Host, int Port)
{
    /// <summary>Reads one; otherwise <paramref name="error"/> says what was expected.</summary>
    public static bool TryParse(string text, [NotNullWhen(true)] out RelayUrl? url, out string error)
    {
        url = null;
        string rest = text;
        RelayScheme scheme = RelayScheme.Smtp;
        int colon = rest.IndexOf("://", StringComparison.Ordinal);
        if (colon >= 0)
        {
            if (SchemeOf(rest[..colon]) is not { } named)
                return Fail("expected the scheme smtp, smtp+tls, smtp+notls, smtps or lmtp", out error);
            scheme = named;
            rest = rest[(colon + 3)..];
        }

        string? label = null;
        int at = rest.LastIndexOf('@');
        if (at >= 0)
        {
            label = rest[..at];
            rest = rest[(at + 1)..];
            if (label.Length == 0)
                return Fail("expected a label before @", out error);
            if (scheme is not (RelayScheme.SmtpTls or RelayScheme.Smtps))
                return Fail("expected smtp+tls or smtps, because it has a label", out error);
        }

        if (!SplitPort(rest, out string host, out string? portText))
            return Fail("expected host:port with closed brackets", out error);
        int port = scheme switch { RelayScheme.Smtps => 465, RelayScheme.Lmtp => 0, _ => 25 };
        if (portText is not null && (!int.TryParse(portText, NumberStyles.None, CultureInfo.InvariantCulture, out port) || port > 65535))
            return Fail("expected a port from 1 to 65535", out error);
        if (port == 0)
            return Fail("expected a port", out error);
        if (!IsHost(ref host))
            return Fail("expected a host name or an address in brackets", out error);
        url = new(scheme, label, host, port);
        error = "";
        return true;
    }

    private static bool Fail(string expected, out string error)
    {
        error = expected;
        return false;
    }

    private static RelayScheme? SchemeOf(string text) => text switch
    {
        "smtp" => RelayScheme.Smtp,
        "smtp+tls" => RelayScheme.SmtpTls,
        "smtp+notls" => RelayScheme.SmtpPlain,
        "smtps" => RelayScheme.Smtps,
        "lmtp" => RelayScheme.Lmtp,
        _ => null,
    };

    private static bool SplitPort(string text, out string host, out string? port)
    {
        port = null;
        host = text;
        int end = text.StartsWith('[') ? text.IndexOf(']', StringComparison.Ordinal) + 1 : text.IndexOf(':', StringComparison.Ordinal);
        if (text.StartsWith('[') && end == 0)
            return false;
        if (end < 0 || end == text.Length)
            return true;
        if (text[end] != ':')
            return false;
        host = text[..end];
        port = text[(end + 1)..];
        return true;
    }

    private static bool IsHost(ref string host)
    {
        if (host.StartsWith('['))
        {
            host = host[1..^1];
            if (host.StartsWith("IPv6:", StringComparison.OrdinalIgnoreCase))
                host = host[5..];
            return IPAddress.TryParse(host, out IPAddress? address)
                && (address.AddressFamily == AddressFamily.InterNetworkV6 || host.Count('.') == 3);
        }
        return host.Length is > 0 and <= 255 && host.All(static c => char.IsAsciiLetterOrDigit(c) || c is '.' or '-' or '_' || c > '\u00a0');
    }
}

using Posthouse.Plugs;
using Posthouse.Server.Configuration;
using Posthouse.Server.Filtering;
using Posthouse.Server.Transport;

namespace Posthouse.Server.Receiving;

/// <summary>What holds for all sessions of one listener: its options, made ready for use. Immutable.</summary>
public sealed record SessionProfile
{
    private const string Features = "\n8BITMIME\nENHANCEDSTATUSCODES\nSIZE ";

    /// <summary>How the server calls itself, unless <see cref="Hostnames"/> knows better.</summary>
    public required string ServerName { get; init; }

    /// <summary>Names by local address (service addrname); null: none.</summary>
    public ITable? Hostnames { get; init; }

    /// <summary>Whether this is the socket for programs of this machine.</summary>
    public bool IsLocalSocket { get; init; }

    /// <summary>Who judges its sessions and their mail; null: nobody.</summary>
    public FilterChain? Filters { get; init; }

    /// <summary>The path of the socket for programs of this machine.</summary>
    public string LocalPath { get; init; } = "";

    /// <summary>Whether and how sessions are encrypted.</summary>
    public ListenerTls Tls { get; init; }

    /// <summary>The certificates and what is asked of clients; null only where <see cref="Tls"/> is off.</summary>
    public TlsServer? TlsServer { get; init; }

    /// <summary>Whether AUTH is offered or demanded.</summary>
    public ListenerAuth Auth { get; init; }

    /// <summary>Who may authenticate; null only where <see cref="Auth"/> is off.</summary>
    public PasswordCheck? Passwords { get; init; }

    /// <summary>The senders that an authenticated user may use (service mailaddrmap); null: any.</summary>
    public ITable? Senders { get; init; }

    /// <summary>Whether From is rewritten to the envelope sender.</summary>
    public bool Masquerade { get; init; }

    /// <summary>Whether the client is left out of Received.</summary>
    public bool MaskSource { get; init; }

    /// <summary>Whether Received names the authenticated user.</summary>
    public bool ReceivedAuth { get; init; }

    /// <summary>Whether DSN is not offered.</summary>
    public bool NoDsn { get; init; }

    /// <summary>Whether each connection begins with a PROXY v2 header.</summary>
    public bool ProxyV2 { get; init; }

    /// <summary>The tag of its sessions; empty: none.</summary>
    public string Tag { get; init; } = "";

    /// <summary>The largest message, in bytes.</summary>
    public long MaxMessageSize { get; init; } = 35L * 1024 * 1024;

    /// <summary>The longest line of a message, in bytes without its end.</summary>
    public int MaxLineLength { get; init; } = 32 * 1024;

    /// <summary>What separates the user from the sub-address.</summary>
    public char SubAddressDelimiter { get; init; } = '+';

    /// <summary>The bounds of a session.</summary>
    public SmtpLimits Limits { get; init; } = new();

    /// <summary>The lines of the reply to EHLO behind its first, each with <c>\n</c> before it, in OpenSMTPD's order with ours before STARTTLS.</summary>
    internal string Capabilities(bool tls, bool auth) =>
        $"{Features}{MaxMessageSize}{(NoDsn ? "" : "\nDSN")}\nPIPELINING\nSMTPUTF8\nCHUNKING{(tls ? "\nSTARTTLS" : "")}{(auth ? "\nAUTH PLAIN LOGIN" : "")}\nHELP";
}

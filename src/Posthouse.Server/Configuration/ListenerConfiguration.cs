using System.Collections.Immutable;
using System.Net;
using Posthouse.Server.Model;
using Posthouse.Server.Tables;

namespace Posthouse.Server.Configuration;

/// <summary>One <c>listen on INTERFACE</c> statement.</summary>
public sealed record ListenerConfiguration
{
    /// <summary>Where it stands.</summary>
    public SourcePosition Position { get; init; }

    /// <summary>What it listens on, as written: an interface, a group, an address or a host name.</summary>
    public string Interface { get; init; } = "";

    /// <summary>What that means: the addresses and the port to bind. IPv6 ones are v6-only. At least one.</summary>
    public ImmutableArray<IPEndPoint> EndPoints { get; init; } = [];

    /// <summary>Whether and how sessions are encrypted.</summary>
    public ListenerTls Tls { get; init; }

    /// <summary>Whether a client certificate is asked for and must be valid (<c>verify</c>).</summary>
    public bool VerifyClient { get; init; }

    /// <summary>The certificates to choose from by SNI; the first is the default. Not empty when <see cref="Tls"/> is on.</summary>
    public ImmutableArray<PkiConfiguration> Pki { get; init; } = [];

    /// <summary>The authorities for client certificates; null: the system's.</summary>
    public CaConfiguration? Authority { get; init; }

    /// <summary>The TLS protocols offered, in libtls' form; null: the default.</summary>
    public string? Protocols { get; init; }

    /// <summary>The TLS ciphers offered, in OpenSSL's form; null: those of <see cref="SmtpConfiguration.Ciphers"/>.</summary>
    public string? Ciphers { get; init; }

    /// <summary>Whether AUTH is offered or demanded.</summary>
    public ListenerAuth Auth { get; init; }

    /// <summary>The credentials (service credentials or auth); null: accounts of the system.</summary>
    public TableDefinition? Credentials { get; init; }

    /// <summary>The filter of its sessions; several written in braces are an unnamed chain. Null: none.</summary>
    public FilterDefinition? Filter { get; init; }

    /// <summary>The name in the greeting; null: the server's.</summary>
    public string? Hostname { get; init; }

    /// <summary>Names by local address (service addrname), before <see cref="Hostname"/>.</summary>
    public TableDefinition? Hostnames { get; init; }

    /// <summary>The senders that an authenticated user may use (service mailaddrmap); null: any.</summary>
    public TableDefinition? Senders { get; init; }

    /// <summary>Whether the From header is rewritten to the envelope sender (<c>senders … masquerade</c>).</summary>
    public bool Masquerade { get; init; }

    /// <summary>Whether the client is left out of Received (<c>mask-src</c>).</summary>
    public bool MaskSource { get; init; }

    /// <summary>Whether DSN is not offered.</summary>
    public bool NoDsn { get; init; }

    /// <summary>Whether each connection begins with a PROXY v2 header.</summary>
    public bool ProxyV2 { get; init; }

    /// <summary>Whether Received names the authenticated user.</summary>
    public bool ReceivedAuth { get; init; }

    /// <summary>The tag of its sessions, at most 32 characters; empty: none.</summary>
    public string Tag { get; init; } = "";
}

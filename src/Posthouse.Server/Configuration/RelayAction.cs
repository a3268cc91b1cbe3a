using Posthouse.Server.Tables;

namespace Posthouse.Server.Configuration;

/// <summary>An action that hands mail to other hosts.</summary>
public sealed record RelayAction : DeliveryAction
{
    /// <summary>Relay URLs to go through, in turn (service relayhost); null: the destination's MX.</summary>
    public TableDefinition? Host { get; init; }

    /// <summary>Relay URLs by destination domain (service relayhost); null: none.</summary>
    public TableDefinition? Domain { get; init; }

    /// <summary>Whether only hosts with a lower MX preference than ours are used.</summary>
    public bool Backup { get; init; }

    /// <summary>Our name among the MX (<c>backup mx</c>); null: the server's.</summary>
    public string? BackupName { get; init; }

    /// <summary>Credentials by label (service credentials); null: none.</summary>
    public TableDefinition? Auth { get; init; }

    /// <summary>Whether TLS is demanded.</summary>
    public RelayTls Tls { get; init; }

    /// <summary>The client certificate; null: none.</summary>
    public PkiConfiguration? Pki { get; init; }

    /// <summary>The authorities for server certificates; null: the system's.</summary>
    public CaConfiguration? Authority { get; init; }

    /// <summary>The TLS protocols, in libtls' form; null: the default.</summary>
    public string? Protocols { get; init; }

    /// <summary>The TLS ciphers, in OpenSSL's form; null: those of <see cref="SmtpConfiguration.Ciphers"/>.</summary>
    public string? Ciphers { get; init; }

    /// <summary>Local addresses to connect from, in turn (service source); null: the system chooses.</summary>
    public TableDefinition? Source { get; init; }

    /// <summary>The HELO name; null: the server's.</summary>
    public string? Helo { get; init; }

    /// <summary>HELO names by source address (service addrname); null: none.</summary>
    public TableDefinition? HeloSource { get; init; }

    /// <summary>Replaces the envelope sender: <c>user@domain</c>, <c>@domain</c> or <c>user</c>; null: it stays.</summary>
    public string? MailFrom { get; init; }

    /// <summary>Whether the sender is rewritten so that bounces come back through us.</summary>
    public bool Srs { get; init; }

    /// <summary>The filter that sees its sessions' report events; null: none.</summary>
    public FilterDefinition? Filter { get; init; }
}

using Posthouse.Server.Model;

namespace Posthouse.Server.Configuration;

/// <summary>The <c>listen on socket</c> statement: mail from programs of this machine.</summary>
public sealed record SocketListenerConfiguration
{
    /// <summary>Where it stands; <see cref="SourcePosition.None"/> when it is implied.</summary>
    public SourcePosition Position { get; init; } = SourcePosition.None;

    /// <summary>The filter of its sessions; null: none.</summary>
    public FilterDefinition? Filter { get; init; }

    /// <summary>Whether the client is left out of Received.</summary>
    public bool MaskSource { get; init; }

    /// <summary>Whether DSN is not offered.</summary>
    public bool NoDsn { get; init; }

    /// <summary>The tag of its sessions; empty: none.</summary>
    public string Tag { get; init; } = "";
}

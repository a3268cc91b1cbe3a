using Posthouse.Plugs;

namespace Posthouse.Server.Rules;

/// <summary>The part of an envelope that rules and expansion decide; the session adds ids, times and itself.</summary>
public sealed record EnvelopePrototype
{
    /// <summary>How it leaves: <see cref="EnvelopeKind.Mda"/> or <see cref="EnvelopeKind.Mta"/>.</summary>
    public required EnvelopeKind Kind { get; init; }

    /// <summary>The action, by name.</summary>
    public required string Action { get; init; }

    /// <summary>The rule that chose it, as file:line.</summary>
    public required string Rule { get; init; }

    /// <summary>The address after expansion.</summary>
    public required string Destination { get; init; }

    /// <summary>How long it may stay in the queue.</summary>
    public required TimeSpan Ttl { get; init; }

    /// <summary>The local user; null for a relay, and for a command or file of an alias.</summary>
    public string? User { get; init; }

    /// <summary>The sub-address; null when there is none.</summary>
    public string? Extension { get; init; }

    /// <summary>Where a command or file stands (see <see cref="ExpansionSource"/>); null for a mailbox.</summary>
    public string? Source { get; init; }

    /// <summary>Whether expansion changed the address, so that a relay rewrites the sender where its action has <c>srs</c>.</summary>
    public bool IsForwarded { get; init; }
}

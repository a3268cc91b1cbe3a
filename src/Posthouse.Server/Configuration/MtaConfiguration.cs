using System.Collections.Frozen;

namespace Posthouse.Server.Configuration;

/// <summary>What holds for relaying.</summary>
public sealed record MtaConfiguration
{
    /// <summary>Envelopes per host that are tried at once when it answers again (<c>mta max-deferred</c>).</summary>
    public int MaxDeferred { get; init; } = 100;

    /// <summary>The limits of every domain that has none of its own.</summary>
    public MtaLimits Limits { get; init; } = new();

    /// <summary>The limits of <c>mta limit for domain</c>, by domain (case does not matter).</summary>
    public FrozenDictionary<string, MtaLimits> DomainLimits { get; init; } = FrozenDictionary<string, MtaLimits>.Empty;

    /// <summary>The limits for mail to <paramref name="domain"/>.</summary>
    public MtaLimits For(string domain) => DomainLimits.GetValueOrDefault(domain, Limits);
}

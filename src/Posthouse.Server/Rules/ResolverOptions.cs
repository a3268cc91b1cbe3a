using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Posthouse.Server.Rules;

/// <summary>What the resolver needs to know of the server around it.</summary>
public sealed record ResolverOptions
{
    /// <summary>Whether mail can be relayed; while it cannot, a recipient that a rule relays is refused with 451 4.3.5.</summary>
    public bool CanRelay { get; init; }

    /// <summary>Longest time for resolving one recipient; beyond it 451.</summary>
    public TimeSpan Deadline { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>The clock.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>Where refusals that an administrator should know of are told.</summary>
    public ILogger Logger { get; init; } = NullLogger.Instance;
}

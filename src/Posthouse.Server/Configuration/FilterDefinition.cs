using System.Collections.Immutable;
using Posthouse.Server.Model;

namespace Posthouse.Server.Configuration;

/// <summary>One <c>filter</c> statement.</summary>
public abstract record FilterDefinition
{
    private FilterDefinition()
    {
    }

    /// <summary>Its name; empty for the chain that braces on a listener or relay make.</summary>
    public required string Name { get; init; }

    /// <summary>Where it stands.</summary>
    public SourcePosition Position { get; init; }

    /// <summary>A filter inside the server: when all conditions hold at its phase, it decides.</summary>
    public sealed record Builtin(FilterPhase Phase, ImmutableArray<FilterCondition> Conditions, FilterDecision Decision) : FilterDefinition;

    /// <summary>A filter in a program.</summary>
    public sealed record Program(FilterProcess Process) : FilterDefinition;

    /// <summary>Filters one after another; none of them is a chain.</summary>
    public sealed record Chain(ImmutableArray<FilterDefinition> Members) : FilterDefinition;
}

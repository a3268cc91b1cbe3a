using Posthouse.Server.Configuration;

namespace Posthouse.Server.Rules;

/// <summary>Which rule matched: none is a refusal; a <paramref name="Failure"/> of a table, for the log, makes it a temporary one.</summary>
public readonly record struct RuleVerdict(MatchRule? Rule, string? Failure = null);

namespace Posthouse.Server.Configuration;

/// <summary>The decision of a builtin filter; reject and disconnect have a text that begins with a 4xx or 5xx code, junk and bypass have none.</summary>
public readonly record struct FilterDecision(FilterVerb Verb, string? Text = null);

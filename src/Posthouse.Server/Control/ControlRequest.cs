namespace Posthouse.Server.Control;

/// <summary>
/// A line from a client of the control socket: what it wants (see <see cref="ControlVerb"/>), and of what: an envelope, a message or
/// <c>all</c>, a service, a table, a subsystem.
/// </summary>
public sealed record ControlRequest(string Verb, string? Argument = null);

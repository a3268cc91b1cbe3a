namespace Posthouse.Plugs.Filters;

/// <summary>
/// Takes one line of a message, without line end and dot-stuffing, and writes what shall stand in its place: the line itself, another, several or none.
/// The bytes are valid until the handler returns.
/// </summary>
public delegate void LineHandler<TState>(Session<TState> session, ReadOnlySpan<byte> line, LineOutput output) where TState : class, new();

namespace Posthouse.Plugs.Filters;

/// <summary>Looks at one header field and says what becomes of it.</summary>
public delegate HeaderEdit HeaderHandler<TState>(Session<TState> session, HeaderField field) where TState : class, new();

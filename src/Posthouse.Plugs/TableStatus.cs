namespace Posthouse.Plugs;

/// <summary>How a table answers.</summary>
public enum TableStatus
{
    /// <summary>The key is there.</summary>
    Found,
    /// <summary>The key is not there.</summary>
    NotFound,
    /// <summary>A temporary failure.</summary>
    Error,
}

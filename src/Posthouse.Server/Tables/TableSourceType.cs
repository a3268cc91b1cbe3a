namespace Posthouse.Server.Tables;

/// <summary>How makemap reads its text (<c>-t</c>).</summary>
public enum TableSourceType
{
    /// <summary>Keys and values, values as they stand.</summary>
    Mapping,

    /// <summary>Keys and expansions, which must be well formed (<c>-t aliases</c>).</summary>
    Aliases,

    /// <summary>One key a line (<c>-t set</c>).</summary>
    Set,
}

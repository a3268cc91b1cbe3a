namespace Posthouse.Server.Tables;

/// <summary>What a table holds, and so where a configuration may use it.</summary>
public enum TableKind
{
    /// <summary>Keys only.</summary>
    List,

    /// <summary>Keys with values.</summary>
    Mapping,

    /// <summary>Whatever its program or database answers: may stand anywhere.</summary>
    Dynamic,
}

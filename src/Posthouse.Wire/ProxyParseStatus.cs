namespace Posthouse.Wire;

/// <summary>How far a PROXY header was read.</summary>
public enum ProxyParseStatus
{
    /// <summary>It goes on: give it again with more behind it.</summary>
    Incomplete,
    /// <summary>Read.</summary>
    Complete,
    /// <summary>This is none.</summary>
    Malformed,
}

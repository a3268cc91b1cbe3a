namespace Posthouse.Wire;

/// <summary>How much of the message a failure notice brings back (RFC 3461 section 4.3).</summary>
public enum DsnReturn : byte
{
    /// <summary>Nothing was said.</summary>
    Unspecified,
    /// <summary>FULL.</summary>
    Full,
    /// <summary>HDRS.</summary>
    Headers,
}

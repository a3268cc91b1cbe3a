namespace Posthouse.Wire;

/// <summary>The BODY parameter of MAIL (RFC 6152). BINARYMIME is not known.</summary>
public enum BodyKind : byte
{
    /// <summary>Nothing was said.</summary>
    Unspecified,
    /// <summary>7BIT.</summary>
    SevenBit,
    /// <summary>8BITMIME.</summary>
    EightBit,
}

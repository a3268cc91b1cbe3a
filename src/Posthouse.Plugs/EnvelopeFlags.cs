namespace Posthouse.Plugs;

/// <summary>What is special about an envelope.</summary>
[Flags]
public enum EnvelopeFlags
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>Its client had authenticated.</summary>
    Authenticated = 1,

    /// <summary>The server itself made it, or it came by the local socket.</summary>
    Internal = 2,

    /// <summary>Its message is a delivery status notification.</summary>
    Bounce = 4,

    /// <summary>An administrator suspended it: it is not tried until resumed.</summary>
    Suspended = 8,
}

namespace Posthouse.Wire;

/// <summary>What NOTIFY asks for (RFC 3461 section 4.1). <see cref="Never"/> stands alone.</summary>
[Flags]
public enum DsnNotify : byte
{
    /// <summary>Nothing was said: failures, and delays if the server likes.</summary>
    Unspecified = 0,
    /// <summary>NEVER.</summary>
    Never = 1,
    /// <summary>SUCCESS.</summary>
    Success = 2,
    /// <summary>FAILURE.</summary>
    Failure = 4,
    /// <summary>DELAY.</summary>
    Delay = 8,
}

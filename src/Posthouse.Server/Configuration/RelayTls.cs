namespace Posthouse.Server.Configuration;

/// <summary>Whether a relay action demands TLS.</summary>
public enum RelayTls
{
    /// <summary>Used where the URL or the host offers it.</summary>
    Opportunistic,

    /// <summary>Demanded, with a valid certificate (<c>tls</c>).</summary>
    Verified,

    /// <summary>Demanded, with any certificate (<c>tls no-verify</c>).</summary>
    Unverified,
}

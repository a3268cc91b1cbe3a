namespace Posthouse.Server.Transport;

/// <summary>What a listener asks of its clients.</summary>
public enum ClientCertificates
{
    /// <summary>No certificate.</summary>
    None,

    /// <summary>One if they have it; it is checked, and the session knows how that went.</summary>
    Optional,

    /// <summary>One that stands the check, or there is no session.</summary>
    Required,
}

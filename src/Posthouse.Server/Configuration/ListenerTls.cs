namespace Posthouse.Server.Configuration;

/// <summary>Whether and how the sessions of a listener are encrypted.</summary>
public enum ListenerTls
{
    /// <summary>Never.</summary>
    None,

    /// <summary>STARTTLS is offered (<c>tls</c>).</summary>
    Offered,

    /// <summary>STARTTLS is needed before MAIL (<c>tls-require</c>).</summary>
    Required,

    /// <summary>From the first byte (<c>smtps</c>).</summary>
    Implicit,
}

namespace Posthouse.Server.Configuration;

/// <summary>How a next hop is spoken to.</summary>
public enum RelayScheme
{
    /// <summary>SMTP, encrypted if it offers STARTTLS; port 25.</summary>
    Smtp,

    /// <summary>SMTP with STARTTLS and a valid certificate; port 25.</summary>
    SmtpTls,

    /// <summary>SMTP in clear; port 25.</summary>
    SmtpPlain,

    /// <summary>SMTP in TLS with a valid certificate; port 465.</summary>
    Smtps,

    /// <summary>LMTP in clear; it has no default port.</summary>
    Lmtp,
}

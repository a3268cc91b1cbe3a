namespace Posthouse.Wire;

/// <summary>The commands of SMTP and LMTP that are known.</summary>
public enum SmtpVerb : byte
{
    /// <summary>None of them.</summary>
    Unknown,
    /// <summary>HELO (RFC 5321 section 4.1.1.1).</summary>
    Helo,
    /// <summary>EHLO (RFC 5321 section 4.1.1.1).</summary>
    Ehlo,
    /// <summary>LHLO (RFC 2033).</summary>
    Lhlo,
    /// <summary>MAIL (RFC 5321 section 4.1.1.2).</summary>
    Mail,
    /// <summary>RCPT (RFC 5321 section 4.1.1.3).</summary>
    Rcpt,
    /// <summary>DATA (RFC 5321 section 4.1.1.4).</summary>
    Data,
    /// <summary>BDAT (RFC 3030).</summary>
    Bdat,
    /// <summary>RSET (RFC 5321 section 4.1.1.5).</summary>
    Rset,
    /// <summary>NOOP (RFC 5321 section 4.1.1.9).</summary>
    Noop,
    /// <summary>QUIT (RFC 5321 section 4.1.1.10).</summary>
    Quit,
    /// <summary>VRFY (RFC 5321 section 4.1.1.6).</summary>
    Vrfy,
    /// <summary>EXPN (RFC 5321 section 4.1.1.7).</summary>
    Expn,
    /// <summary>HELP (RFC 5321 section 4.1.1.8).</summary>
    Help,
    /// <summary>STARTTLS (RFC 3207).</summary>
    StartTls,
    /// <summary>AUTH (RFC 4954).</summary>
    Auth,
}

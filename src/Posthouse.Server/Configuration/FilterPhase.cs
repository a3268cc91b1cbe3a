namespace Posthouse.Server.Configuration;

/// <summary>The moments of a session at which filters decide (smtpd-filters(7)), in order. Builtin filters know those from connect to commit but for STARTTLS and the lines of the message.</summary>
public enum FilterPhase
{
    /// <summary>Before the greeting.</summary>
    Connect,
    /// <summary>At HELO.</summary>
    Helo,
    /// <summary>At EHLO.</summary>
    Ehlo,
    /// <summary>At STARTTLS.</summary>
    StartTls,
    /// <summary>At AUTH.</summary>
    Auth,
    /// <summary>At MAIL.</summary>
    MailFrom,
    /// <summary>At RCPT.</summary>
    RcptTo,
    /// <summary>At DATA.</summary>
    Data,
    /// <summary>The lines of the message.</summary>
    DataLine,
    /// <summary>After the message.</summary>
    Commit,
    /// <summary>At RSET.</summary>
    Rset,
    /// <summary>At QUIT.</summary>
    Quit,
    /// <summary>At NOOP.</summary>
    Noop,
}

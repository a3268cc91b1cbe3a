namespace Posthouse.Server.Configuration;

/// <summary>The moments of a session at which builtin filters decide, in order.</summary>
public enum FilterPhase
{
    /// <summary>Before the greeting.</summary>
    Connect,
    /// <summary>At HELO.</summary>
    Helo,
    /// <summary>At EHLO.</summary>
    Ehlo,
    /// <summary>At AUTH.</summary>
    Auth,
    /// <summary>At MAIL.</summary>
    MailFrom,
    /// <summary>At RCPT.</summary>
    RcptTo,
    /// <summary>At DATA.</summary>
    Data,
    /// <summary>After the message.</summary>
    Commit,
}

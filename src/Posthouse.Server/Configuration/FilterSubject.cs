namespace Posthouse.Server.Configuration;

/// <summary>What a condition of a builtin filter looks at.</summary>
public enum FilterSubject
{
    /// <summary>Whether the reverse name leads back to the client's address.</summary>
    Fcrdns,
    /// <summary>The reverse name; without a table: whether there is one.</summary>
    Rdns,
    /// <summary>The client's address.</summary>
    Source,
    /// <summary>The HELO name.</summary>
    Helo,
    /// <summary>The authenticated user; without a table: whether there is one.</summary>
    Auth,
    /// <summary>The envelope sender.</summary>
    MailFrom,
    /// <summary>The recipient.</summary>
    RcptTo,
}

namespace Posthouse.Server.Configuration;

/// <summary>What a criterion of a rule looks at.</summary>
public enum MatchSubject
{
    /// <summary>The listener's tag.</summary>
    Tag,

    /// <summary>Nothing: it holds for every client (appears only negated).</summary>
    FromAny,

    /// <summary>The client's address; what expansion yields counts as <c>local</c>.</summary>
    FromSource,

    /// <summary>Whether the mail came by the local socket.</summary>
    FromSocket,

    /// <summary>The client's reverse name. Without a table: whether there is one. With a table and no name it never holds, even negated.</summary>
    FromRdns,

    /// <summary>Nothing: it holds for every destination (appears only negated).</summary>
    ForAny,

    /// <summary>The domain of the current destination.</summary>
    ForDomain,

    /// <summary>The HELO name.</summary>
    Helo,

    /// <summary>The authenticated user. Without a table: whether there is one.</summary>
    Auth,

    /// <summary>Whether the session is encrypted.</summary>
    Tls,

    /// <summary>The envelope sender.</summary>
    MailFrom,

    /// <summary>The current destination address.</summary>
    RcptTo,
}

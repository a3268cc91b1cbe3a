namespace Posthouse.Plugs;

/// <summary>What a table is asked for (smtpd-tables(7)).</summary>
public enum TableService
{
    /// <summary>User name to a comma list of expansions.</summary>
    Alias,
    /// <summary>A domain, matched by glob.</summary>
    Domain,
    /// <summary>Label to <c>user:password</c>.</summary>
    Credentials,
    /// <summary>An address, matched by CIDR.</summary>
    NetAddr,
    /// <summary>User name to <c>uid:gid:home</c>.</summary>
    UserInfo,
    /// <summary>A local address to connect from.</summary>
    Source,
    /// <summary>A mail address, matched by user, domain or both.</summary>
    MailAddr,
    /// <summary>Address to host name.</summary>
    AddrName,
    /// <summary>User name to a comma list of mail addresses.</summary>
    MailAddrMap,
    /// <summary>A relay URL.</summary>
    RelayHost,
    /// <summary>An exact string.</summary>
    String,
    /// <summary>A string, matched by regular expressions.</summary>
    Regex,
    /// <summary><c>user:password</c>, checked by the table.</summary>
    Auth,
}

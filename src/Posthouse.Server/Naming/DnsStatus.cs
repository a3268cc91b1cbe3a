namespace Posthouse.Server.Naming;

/// <summary>What became of a question to the DNS.</summary>
public enum DnsStatus
{
    /// <summary>It could not be answered now: a temporary failure.</summary>
    Failed,

    /// <summary>There are records.</summary>
    Found,

    /// <summary>The name exists, but has no record of this type (NODATA).</summary>
    NoRecords,

    /// <summary>The name does not exist (NXDOMAIN).</summary>
    NoSuchName,
}

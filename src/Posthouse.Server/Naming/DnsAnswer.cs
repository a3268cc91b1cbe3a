namespace Posthouse.Server.Naming;

/// <summary>An answer of the DNS.</summary>
/// <param name="Status">What became of the question.</param>
/// <param name="Records">The records, in the order of the answer; empty unless found.</param>
/// <param name="Problem">For <see cref="DnsStatus.Failed"/>: what went wrong, for the log.</param>
public sealed record DnsAnswer<T>(DnsStatus Status, IReadOnlyList<T> Records, string? Problem = null)
{
    /// <summary>Whether there are records.</summary>
    public bool IsFound => Status == DnsStatus.Found;

    internal static DnsAnswer<T> Found(params IReadOnlyList<T> records) => new(DnsStatus.Found, records);

    internal static DnsAnswer<T> None(DnsStatus status, string? problem = null) => new(status, [], problem);
}

using System.Net;

namespace Posthouse.Server.Naming;

/// <summary>Finds out what clients are called, before the banner and within a deadline.</summary>
public sealed class ReverseNames
{
    /// <summary>Names of one address that are followed.</summary>
    private const int MaxNames = 4;

    private readonly IResolver _resolver;
    private readonly TimeProvider _time;
    private readonly TimeSpan _limit;

    /// <summary>Spends at most <paramref name="limit"/> on a client (default 5 s).</summary>
    public ReverseNames(IResolver resolver, TimeProvider time, TimeSpan? limit = null)
    {
        _resolver = resolver;
        _time = time;
        _limit = limit ?? TimeSpan.FromSeconds(5);
    }

    /// <summary>
    /// The first name that leads back to <paramref name="address"/>; if none does, the first name. When time runs out, what is known by then.
    /// </summary>
    public async ValueTask<ReverseName> FindAsync(IPAddress address, CancellationToken cancellation = default)
    {
        using CancellationTokenSource deadline = new(_limit, _time);
        using CancellationTokenSource both = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellation);

        DnsAnswer<string> names = await _resolver.FindNamesAsync(address, both.Token);
        if (!names.IsFound)
            return new ReverseName(null, names.Status == DnsStatus.Failed ? ForwardConfirmation.Error : ForwardConfirmation.Fail);
        bool anyFailed = false;
        foreach (string name in names.Records.Take(MaxNames))
        {
            DnsAnswer<IPAddress> addresses = await _resolver.FindAddressesAsync(name, address.AddressFamily, both.Token);
            if (addresses.Records.Contains(address))
                return new ReverseName(name, ForwardConfirmation.Pass);
            anyFailed |= addresses.Status == DnsStatus.Failed;
        }
        return new ReverseName(names.Records[0], anyFailed ? ForwardConfirmation.Error : ForwardConfirmation.Fail);
    }
}

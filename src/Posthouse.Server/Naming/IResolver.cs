using System.Net;
using System.Net.Sockets;

namespace Posthouse.Server.Naming;

/// <summary>Asks the DNS. No method throws for a failure of the network or of a server: it answers <see cref="DnsStatus.Failed"/>.</summary>
public interface IResolver
{
    /// <summary>The names of an address (PTR), without a final dot and each a valid host name.</summary>
    ValueTask<DnsAnswer<string>> FindNamesAsync(IPAddress address, CancellationToken cancellation = default);

    /// <summary>The addresses of a host, of one family.</summary>
    ValueTask<DnsAnswer<IPAddress>> FindAddressesAsync(string host, AddressFamily family, CancellationToken cancellation = default);
}

using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;

namespace Posthouse.Server.Tables;

/// <summary>The tables that exist without being declared.</summary>
public static class BuiltInTables
{
    /// <summary>The addresses of all interfaces of this machine, the loopback ones always among them.</summary>
    public static IReadOnlyList<IPAddress> InterfaceAddresses()
    {
        HashSet<IPAddress> addresses = [IPAddress.Loopback, IPAddress.IPv6Loopback];
        foreach (NetworkInterface device in NetworkInterface.GetAllNetworkInterfaces())
        {
            foreach (UnicastIPAddressInformation unicast in device.GetIPProperties().UnicastAddresses)
                addresses.Add(unicast.Address);
        }

        return [.. addresses];
    }

    /// <summary>The content of a built-in table.</summary>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="source"/> is not one of them.</exception>
    internal static TableContent Content(TableSource source, TableOptions options) => List(source switch
    {
        TableSource.LocalHost => ["local", .. options.InterfaceAddresses().Select(Plain)],
        TableSource.AnyHost => ["local", "0.0.0.0/0", "::/0"],
        TableSource.LocalNames => ["localhost", options.ServerName, options.ServerName.Split('.')[0], .. options.InterfaceAddresses().SelectMany(Names)],
        TableSource.AnyDestination => ["*"],
        _ => throw new ArgumentOutOfRangeException(nameof(source)),
    });

    private static TableContent List(IEnumerable<string> keys) => new(TableKind.List, [.. keys.Select(key => new TableEntry(key))]);

    private static string Plain(IPAddress address) => new IPAddress(address.GetAddressBytes()).ToString();

    // An address as a domain is a literal in brackets (RFC 5321 section 4.1.3); OpenSMTPD knows the bare IPv4 form too.
    private static string[] Names(IPAddress address) => address.AddressFamily == AddressFamily.InterNetworkV6
        ? [$"[{Plain(address)}]", $"[IPv6:{Plain(address)}]"]
        : [Plain(address), $"[{Plain(address)}]"];
}

using System.Net;
using Posthouse.Tests.Naming;

namespace Posthouse.SystemTests.Support;

/// <summary>A DNS server on an address of loopback of its own, and what makes a server and all that it starts ask it alone. Needs root.</summary>
internal sealed class Names : IAsyncDisposable
{
    private readonly IPAddress _address = new([127, (byte)Random.Shared.Next(1, 255), (byte)Random.Shared.Next(256), (byte)Random.Shared.Next(1, 255)]);

    public Names() => Zone = new DnsTestServer(new IPEndPoint(_address, 53));

    /// <summary>What it knows.</summary>
    public DnsTestServer Zone { get; }

    /// <summary>Makes a server that is not started yet see another resolv.conf(5), as nobody else does.</summary>
    public void PrepareFor(RunningServer server)
    {
        string file = Path.Combine(server.Folder, "resolv.conf");
        File.WriteAllText(file, $"nameserver {_address}\noptions timeout:5 attempts:2\n");
        server.Launcher = ["unshare", "--mount", "sh", "-c", "mount --bind \"$0\" /etc/resolv.conf && exec \"$@\"", file];
    }

    public ValueTask DisposeAsync() => Zone.DisposeAsync();
}

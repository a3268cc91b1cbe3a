using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Posthouse.Server.Native;
using Posthouse.Server.Processes;
using Posthouse.Tests.Native;

namespace Posthouse.Tests.Processes;

[Collection(ProcessCollection.Name)]
public class InheritedSocketsTests
{
    private const int First = 700;
    private const int GetDescriptorFlags = 1;

    // Descriptors of fixed numbers would be those of other tests.
    [Fact]
    public Task Listening_sockets_are_taken_by_their_addresses_and_all_else_is_closed() => OwnProcess.RunAsync(typeof(InheritedSocketsTests), nameof(Inherits));

    /// <summary>Not a test by itself.</summary>
    [Fact(Explicit = true)]
    public async Task Inherits()
    {
        string folder = OwnProcess.Folder;
        using Socket tcp = Listen(new IPEndPoint(IPAddress.Loopback, 0)), local = Listen(new UnixDomainSocketEndPoint(folder + "/a.sock"));
        using Socket idle = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp), datagram = new(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        idle.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        using FileStream file = File.Create(folder + "/file");
        int[] sources = [(int)tcp.Handle, (int)local.Handle, (int)idle.Handle, (int)datagram.Handle, (int)file.SafeFileHandle.DangerousGetHandle()];
        for (int i = 0; i < sources.Length; i++) Assert.Equal(First + i, Libc.dup2(sources[i], First + i));
        Dictionary<string, string> environment = new()
        {
            ["LISTEN_FDS"] = (sources.Length + 1).ToString(CultureInfo.InvariantCulture),
            ["LISTEN_PID"] = "77",
            ["LISTEN_FDNAMES"] = "smtp:local",
        };
        using InheritedSockets sockets = InheritedSockets.Create(ServiceNotificationTests.Taking(environment), 77, First);
        Assert.Empty(environment);
        Assert.Equal(["smtp", "local"], sockets.Left.Select(static socket => socket.Name));
        Assert.Equal(
            [$"descriptor {First + 2} () does not listen", $"descriptor {First + 3} () is no stream socket", $"descriptor {First + 4} () is no socket", $"descriptor {First + 5} () is not open"],
            sockets.Warnings);
        Assert.Equal([1, 1, -1, -1, -1], Enumerable.Range(First, 5).Select(static descriptor => Libc.fcntl(descriptor, GetDescriptorFlags, 0)));

        Assert.Null(sockets.Take(new IPEndPoint(IPAddress.Loopback, 1)));
        using Socket ours = sockets.Take(tcp.LocalEndPoint!)!;
        Assert.Null(sockets.Take(tcp.LocalEndPoint!));
        using Socket ourLocal = sockets.Take(new UnixDomainSocketEndPoint(folder + "/a.sock"))!;
        Assert.Empty(sockets.Left);
        foreach (Socket socket in (Socket[])[ours, ourLocal])
        {
            using Socket client = new(socket.AddressFamily, SocketType.Stream, ProtocolType.Unspecified);
            await client.ConnectAsync(socket.LocalEndPoint!, TestContext.Current.CancellationToken);
            using Socket accepted = await socket.AcceptAsync(TestContext.Current.CancellationToken);
            await client.SendAsync("ping"u8.ToArray(), TestContext.Current.CancellationToken);
            byte[] buffer = new byte[4];
            Assert.Equal(4, await accepted.ReceiveAsync(buffer, TestContext.Current.CancellationToken));
            Assert.Equal("ping", Encoding.ASCII.GetString(buffer));
        }
    }

    [Theory]
    [InlineData("78", "1", 0)]
    [InlineData(null, "1", 0)]
    [InlineData("77", "-1", 1)]
    [InlineData("77", "many", 1)]
    [InlineData("77", "100000", 1)]
    [InlineData("77", "0", 0)]
    public void What_is_not_meant_for_this_process_is_left_alone(string? process, string count, int warnings)
    {
        Dictionary<string, string> environment = new() { ["LISTEN_FDS"] = count };
        if (process is not null) environment["LISTEN_PID"] = process;
        using InheritedSockets sockets = InheritedSockets.Create(ServiceNotificationTests.Taking(environment), 77, 800);
        Assert.Empty(sockets.Left);
        Assert.Equal(warnings, sockets.Warnings.Count);
        Assert.Empty(environment);
    }

    private static Socket Listen(EndPoint address)
    {
        Socket socket = new(address.AddressFamily, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(address);
        socket.Listen();
        return socket;
    }
}

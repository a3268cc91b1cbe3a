using System.Net;
using System.Net.Sockets;
using Posthouse.Server.Transport;

namespace Posthouse.Tests.Transport;

/// <summary>A connection of the server and the client's socket at its other end, over loopback.</summary>
internal sealed class SocketPair : IAsyncDisposable
{
    private SocketPair(Socket client, Connection server)
    {
        Client = client;
        Server = server;
    }

    public Socket Client { get; }

    public Connection Server { get; }

    public static async Task<SocketPair> TcpAsync(DeadlineWatch watch)
    {
        using Socket listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return await ConnectAsync(listener, new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp), watch);
    }

    public static async Task<SocketPair> UnixAsync(string path, DeadlineWatch watch)
    {
        using Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        return await ConnectAsync(listener, new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified), watch);
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await Server.DisposeAsync();
    }

    private static async Task<SocketPair> ConnectAsync(Socket listener, Socket client, DeadlineWatch watch)
    {
        listener.Listen();
        await client.ConnectAsync(listener.LocalEndPoint!);
        return new SocketPair(client, new Connection(await listener.AcceptAsync(), watch));
    }
}

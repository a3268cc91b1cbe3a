using System.Net;
using System.Net.Sockets;

namespace Posthouse.Tests.Hosting;

/// <summary>A client of a server under test; every wait of it has a bound.</summary>
internal sealed class EngineClient : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    private readonly Socket _socket;
    private readonly StreamReader _reader;

    private EngineClient(Socket socket)
    {
        _socket = socket;
        _reader = new(new NetworkStream(socket, ownsSocket: false));
    }

    public static async Task<EngineClient> ConnectAsync(EndPoint endPoint)
    {
        Socket socket = new(endPoint.AddressFamily, SocketType.Stream, endPoint is IPEndPoint ? ProtocolType.Tcp : ProtocolType.Unspecified);
        await socket.ConnectAsync(endPoint).WaitAsync(s_patience);
        return new(socket);
    }

    public async Task WriteAsync(string text) => await _socket.SendAsync(System.Text.Encoding.Latin1.GetBytes(text)).WaitAsync(s_patience);

    /// <summary>The last line of a reply; empty at the end of the connection.</summary>
    public async Task<string> ReadAsync()
    {
        while (true)
        {
            string? line = await _reader.ReadLineAsync().WaitAsync(s_patience);
            if (line is not { Length: > 3 } || line[3] == ' ') return line ?? "";
        }
    }

    public async Task<string> SayAsync(string line)
    {
        await WriteAsync(line + "\r\n");
        return await ReadAsync();
    }

    public async Task SayAsync(string line, string expected)
    {
        string reply = await SayAsync(line);
        Assert.True(reply.StartsWith(expected, StringComparison.Ordinal), $"{line}: expected {expected}, got {reply}");
    }

    /// <summary>Sends a message, which must be taken.</summary>
    public async Task SendAsync(string recipient)
    {
        await SayAsync("MAIL FROM:<a@example.net>", "250");
        await SayAsync($"RCPT TO:<{recipient}>", "250");
        await SayAsync("DATA", "354");
        await SayAsync("Subject: x\r\n\r\nbody\r\n.", "250");
    }

    public void Dispose()
    {
        _reader.Dispose();
        _socket.Dispose();
    }
}

using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;

namespace Posthouse.SystemTests.Support;

/// <summary>A client that says just what it is told, and reads replies.</summary>
public sealed class SmtpClient : IDisposable
{
    private readonly TcpClient _client;
    private Stream _stream;
    private readonly List<byte> _buffer = [];

    private SmtpClient(TcpClient client)
    {
        _client = client;
        _stream = client.GetStream();
    }

    /// <summary>Connects; on a listener with <c>proxy-v2</c> as the client of an address.</summary>
    public static async Task<SmtpClient> ConnectAsync(int port, bool greet = true, bool tls = false, string? proxied = null)
    {
        TcpClient client = new();
        await client.ConnectAsync("127.0.0.1", port, TestContext.Current.CancellationToken);
        SmtpClient smtp = new(client);
        if (proxied is not null) await smtp._stream.WriteAsync(ProxyHeader(IPAddress.Parse(proxied)), TestContext.Current.CancellationToken);
        if (tls) await smtp.EncryptAsync();
        if (greet) Assert.StartsWith("220 ", await smtp.ReadReplyAsync(), StringComparison.Ordinal);
        return smtp;
    }

    /// <summary>Begins TLS, with whatever certificate the server has.</summary>
    public async Task EncryptAsync(string name = "mx.example.org")
    {
        Assert.Empty(_buffer);
        SslStream tls = new(_stream);
        _stream = tls;
        // The tests make their own certificates, which nobody signed.
        SslClientAuthenticationOptions options = new() { TargetHost = name, RemoteCertificateValidationCallback = (_, _, _, _) => true };
        await tls.AuthenticateAsClientAsync(options, TestContext.Current.CancellationToken);
    }

    /// <summary>Whether the server has ended the connection, or does so now.</summary>
    public async Task<bool> IsClosedAsync() => await ReadReplyAsync() == "";

    /// <summary>Sends bytes as they are.</summary>
    public async Task WriteAsync(string text) => await _stream.WriteAsync(Encoding.Latin1.GetBytes(text), TestContext.Current.CancellationToken);

    /// <summary>Sends a line and reads the reply.</summary>
    public async Task<string> SayAsync(string line)
    {
        await WriteAsync(line + "\r\n");
        return await ReadReplyAsync();
    }

    /// <summary>Sends a line and demands a reply that begins like <paramref name="expected"/>.</summary>
    public async Task<string> SayAsync(string line, string expected)
    {
        string reply = await SayAsync(line);
        Assert.True(reply.StartsWith(expected, StringComparison.Ordinal), $"{line}: expected {expected}, got {reply}");
        return reply;
    }

    /// <summary>Reads one reply, its lines joined by \n; empty at the end of the connection.</summary>
    public async Task<string> ReadReplyAsync()
    {
        StringBuilder reply = new();
        while (true)
        {
            string line = await ReadLineAsync();
            if (line.Length < 4) return reply.Append(line).ToString();
            reply.Append(line);
            if (line[3] == ' ') return reply.ToString();
            reply.Append('\n');
        }
    }

    /// <summary>Sends one message; answers the reply to its end.</summary>
    public async Task<string> SendMessageAsync(string from, string[] to, string content)
    {
        await SayAsync($"MAIL FROM:<{from}>", "250");
        foreach (string recipient in to)
        {
            string reply = await SayAsync($"RCPT TO:<{recipient}>");
            if (!reply.StartsWith("250", StringComparison.Ordinal)) return reply;
        }

        await SayAsync("DATA", "354");
        string lines = content.ReplaceLineEndings("\r\n").Replace("\r\n.", "\r\n..", StringComparison.Ordinal);
        await WriteAsync((lines.StartsWith('.') ? "." : "") + lines + "\r\n.\r\n");
        return await ReadReplyAsync();
    }

    public void Dispose() => _client.Dispose();

    // The addresses of client and server, which are the same, then their ports.
    private static byte[] ProxyHeader(IPAddress address)
    {
        byte[] bytes = address.GetAddressBytes();
        return [.. "\r\n\r\n\0\r\nQUIT\n"u8, 0x21, (byte)(bytes.Length == 4 ? 0x11 : 0x21), 0, (byte)(bytes.Length * 2 + 4), .. bytes, .. bytes, 0x30, 0x39, 0, 25];
    }

    private async Task<string> ReadLineAsync()
    {
        byte[] block = new byte[4096];
        using CancellationTokenSource deadline = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        deadline.CancelAfter(TimeSpan.FromSeconds(60));
        while (true)
        {
            int end = _buffer.IndexOf((byte)'\n');
            if (end >= 0)
            {
                string line = Encoding.Latin1.GetString([.. _buffer[..end]]).TrimEnd('\r');
                _buffer.RemoveRange(0, end + 1);
                return line;
            }

            int count;
            try
            {
                count = await _stream.ReadAsync(block, deadline.Token);
            }
            catch (IOException)
            {
                count = 0;
            }

            if (count == 0) return "";
            _buffer.AddRange(block.AsSpan(0, count));
        }
    }
}

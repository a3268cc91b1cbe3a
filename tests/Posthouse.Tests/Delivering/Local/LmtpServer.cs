using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Posthouse.Tests.Delivering.Local;

/// <summary>An LMTP server for one test: answers commands from a script, by default as a friendly server does, and keeps what it was told.</summary>
internal sealed class LmtpServer : IDisposable
{
    private readonly Socket _listener;
    private readonly Dictionary<string, string> _answers = new(StringComparer.Ordinal)
    {
        ["banner"] = "220 lmtp.example ready",
        ["LHLO"] = "250-lmtp.example\r\n250-8BITMIME\r\n250 ENHANCEDSTATUSCODES",
        ["MAIL"] = "250 2.1.0 Ok",
        ["RCPT"] = "250 2.1.5 Ok",
        ["DATA"] = "354 go on",
        ["RSET"] = "250 2.0.0 Ok",
        ["."] = "250 2.0.0 stored",
    };

    public LmtpServer(string? path = null)
    {
        EndPoint place = path is null ? new IPEndPoint(IPAddress.Loopback, 0) : new UnixDomainSocketEndPoint(path);
        _listener = new(place.AddressFamily, SocketType.Stream, ProtocolType.Unspecified);
        _listener.Bind(place);
        _listener.Listen();
        Destination = path ?? _listener.LocalEndPoint!.ToString()!;
        _ = AcceptAsync();
    }

    /// <summary>For the action.</summary>
    public string Destination { get; }

    /// <summary>The commands that came, of all connections in order.</summary>
    public List<string> Commands { get; } = [];

    /// <summary>The messages that came, as they were on the wire.</summary>
    public List<string> Messages { get; } = [];

    /// <summary>Connections made.</summary>
    public int Connections { get; private set; }

    /// <summary>Answers a verb (or <c>banner</c>, or <c>.</c>) with this; empty: closes the connection instead.</summary>
    public LmtpServer On(string verb, string answer)
    {
        _answers[verb] = answer;
        return this;
    }

    public void Dispose() => _listener.Dispose();

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                using Socket socket = await _listener.AcceptAsync();
                Connections++;
                await ServeAsync(socket);
            }
        }
        catch (SocketException)
        {
            // The test is over.
        }
        catch (ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        using NetworkStream stream = new(socket);
        using StreamReader reader = new(stream, Encoding.UTF8);
        if (!await AnswerAsync(stream, "banner")) return;
        while (await ReadLineAsync(reader) is { } line)
        {
            Commands.Add(line.TrimEnd('\r', '\n'));
            string verb = line[..4];
            if (!await AnswerAsync(stream, verb)) return;
            if (verb != "DATA" || !_answers[verb].StartsWith('3')) continue;
            StringBuilder message = new();
            while (await ReadLineAsync(reader) is { } part && part != ".\r\n") message.Append(part);
            Messages.Add(message.ToString());
            if (!await AnswerAsync(stream, ".")) return;
        }
    }

    private async Task<bool> AnswerAsync(NetworkStream stream, string verb)
    {
        if (_answers[verb].Length == 0) return false;
        await stream.WriteAsync(Encoding.UTF8.GetBytes(_answers[verb] + "\r\n"));
        return true;
    }

    // With its line end, which StreamReader would drop.
    private static async Task<string?> ReadLineAsync(StreamReader reader)
    {
        StringBuilder line = new();
        char[] one = new char[1];
        while (await reader.ReadAsync(one) == 1)
        {
            line.Append(one[0]);
            if (one[0] == '\n') return line.ToString();
        }
        return null;
    }
}

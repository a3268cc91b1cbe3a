using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Posthouse.Commands.Submission;

/// <summary>Speaks SMTP to the server on this machine, one command at a time.</summary>
public sealed class SubmissionClient : IDisposable
{
    private const int LongestReply = 100;
    private const int LongestReplyLine = 4096;

    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(5);

    private readonly Socket _socket;
    private readonly BufferedStream _stream;
    private readonly TextWriter? _trace;
    private HashSet<string> _capabilities = [];

    private SubmissionClient(Socket socket, TextWriter? trace)
    {
        _socket = socket;
        _stream = new BufferedStream(new NetworkStream(socket, ownsSocket: true), 64 * 1024);
        _trace = trace;
    }

    /// <summary>Sends a message through the socket at <paramref name="path"/>; the dialogue is shown on <paramref name="trace"/>. Never throws for what the server or the connection does.</summary>
    public static SubmissionResult Send(string path, Delivery delivery, Draft draft, TextWriter? trace)
    {
        using Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        bool isConnected = false;
        try
        {
            socket.ReceiveTimeout = socket.SendTimeout = (int)s_patience.TotalMilliseconds;
            if (!File.Exists(path))
                return new SubmissionResult(ExitStatus.Temporary, $"no server is listening on {path}") { IsUnanswered = true };
            socket.Connect(new UnixDomainSocketEndPoint(path));
            isConnected = true;
            using SubmissionClient client = new(socket, trace);
            return client.Converse(delivery, draft);
        }
        catch (Exception error) when (error is SocketException or IOException or ArgumentOutOfRangeException)
        {
            return new SubmissionResult(ExitStatus.Temporary, $"{path}: {error.Message}") { IsUnanswered = !isConnected };
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _stream.Dispose();
        _socket.Dispose();
    }

    private SubmissionResult Converse(Delivery delivery, Draft draft)
    {
        int greeting = Read(out string reply);
        if (greeting != 220)
            return Failed("connect", reply) with { IsUnanswered = greeting == 0 };
        if (Ask("EHLO localhost", out reply) != 250)
            return Failed("EHLO", reply);
        _capabilities = [.. reply.Split('\n').Skip(1).Select(static line => line.Split(' ')[0].ToUpperInvariant())];

        StringBuilder mail = new($"MAIL FROM:<{delivery.Sender}>");
        bool isInternational = delivery.Recipients.Append(delivery.Sender).Any(static address => !System.Text.Ascii.IsValid(address));
        if (draft.IsEightBit && _capabilities.Contains("8BITMIME"))
            mail.Append(" BODY=8BITMIME");
        if (isInternational && _capabilities.Contains("SMTPUTF8"))
            mail.Append(" SMTPUTF8");
        bool offersDsn = _capabilities.Contains("DSN");
        if (offersDsn && delivery.Return is { } what)
            mail.Append(CultureInfo.InvariantCulture, $" RET={what.ToUpperInvariant()}");
        if (offersDsn && delivery.EnvelopeId is { } id)
            mail.Append(CultureInfo.InvariantCulture, $" ENVID={Xtext(id)}");
        if (Ask(mail.ToString(), out reply) != 250)
            return Failed("MAIL", reply);

        string notify = offersDsn && delivery.Notify is { } when ? $" NOTIFY={when.ToUpperInvariant()}" : "";
        foreach (string recipient in delivery.Recipients)
        {
            if (Ask($"RCPT TO:<{recipient}>{notify}", out reply) is not (250 or 251))
                return Failed(recipient, reply);
        }
        if (Ask("DATA", out reply) != 354)
            return Failed("DATA", reply);
        draft.SendTo(_stream);
        if (Ask(".", out reply) != 250)
            return Failed("message", reply);
        Ask("QUIT", out _);
        return new SubmissionResult(ExitStatus.Ok, reply);
    }

    private static SubmissionResult Failed(string what, string reply) =>
        new(reply.StartsWith('5') ? ExitStatus.Unavailable : ExitStatus.Temporary, $"{what}: {reply.Replace('\n', ' ')}");

    private int Ask(string command, out string reply)
    {
        _trace?.WriteLine($">>> {command}");
        _stream.Write(Encoding.Latin1.GetBytes(command + "\r\n"));
        _stream.Flush();
        return Read(out reply);
    }

    /// <summary>Reads a reply; its text has a line for each of the server's, the code only on the first. 0 when there is none.</summary>
    private int Read(out string reply)
    {
        List<string> parts = [];
        while (parts.Count < LongestReply && ReadLine() is { } line)
        {
            _trace?.WriteLine($"<<< {line}");
            parts.Add(line.Length > 4 ? line[4..] : "");
            if (line.Length >= 4 && line[3] == '-')
                continue;
            string code = line[..Math.Min(3, line.Length)];
            reply = $"{code} {string.Join('\n', parts)}";
            return int.TryParse(code, NumberStyles.None, CultureInfo.InvariantCulture, out int number) ? number : 0;
        }
        reply = "the server hung up";
        return 0;
    }

    private string? ReadLine()
    {
        StringBuilder line = new();
        while (line.Length < LongestReplyLine)
        {
            switch (_stream.ReadByte())
            {
                case -1:
                    return null;
                case '\n':
                    return line.ToString();
                case '\r':
                    break;
                case int value:
                    line.Append((char)value);
                    break;
            }
        }
        return null;
    }

    /// <summary>RFC 3461 4: what is not printable, and <c>+</c> and <c>=</c>, as <c>+XX</c>.</summary>
    private static string Xtext(string value)
    {
        StringBuilder text = new();
        foreach (byte octet in Encoding.UTF8.GetBytes(value))
        {
            if (octet is > 0x20 and < 0x7f and not ((byte)'+' or (byte)'='))
                text.Append((char)octet);
            else
                text.Append(CultureInfo.InvariantCulture, $"+{octet:X2}");
        }
        return text.ToString();
    }
}

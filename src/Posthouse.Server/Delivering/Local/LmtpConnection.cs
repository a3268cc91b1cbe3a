using System.Net;
using System.Net.Sockets;
using System.Text;
using Posthouse.Wire;

namespace Posthouse.Server.Delivering.Local;

/// <summary>A connection to an LMTP server (RFC 2033), which has greeted us and knows our name.</summary>
internal sealed class LmtpConnection : IDisposable
{
    /// <summary>How long the server may take for most answers.</summary>
    internal static readonly TimeSpan StepLimit = TimeSpan.FromMinutes(2);

    /// <summary>How long it may take to store a message (RFC 5321 4.5.3.2.6).</summary>
    internal static readonly TimeSpan StoreLimit = TimeSpan.FromMinutes(10);

    private readonly Socket _socket;
    private readonly TimeProvider _time;
    private readonly ReplyParser _parser = new();
    private readonly byte[] _input = new byte[4096];
    private int _begin;
    private int _end;

    private LmtpConnection(Socket socket, TimeProvider time)
    {
        _socket = socket;
        _time = time;
    }

    /// <summary>What the server can do.</summary>
    internal EhloCapabilities Capabilities { get; private set; } = EhloCapabilities.Read(new SmtpReply(250, ""));

    /// <summary>When it was used last.</summary>
    internal long LastUsed { get; set; }

    /// <summary>Connects and greets; answers the connection or what the server said instead.</summary>
    /// <exception cref="IOException">The connection failed or the server did not answer in time.</exception>
    internal static async ValueTask<(LmtpConnection? Connection, SmtpReply? Refusal)> OpenAsync(EndPoint place, string name, TimeProvider time, CancellationToken cancellation)
    {
        Socket socket = place is UnixDomainSocketEndPoint
            ? new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)
            : new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        LmtpConnection connection = new(socket, time);
        bool ready = false;
        try
        {
            await connection.WithinAsync(StepLimit, token => socket.ConnectAsync(place, token), cancellation);
            SmtpReply greeting = await connection.ReadReplyAsync(StepLimit, cancellation);
            if (!greeting.IsPositive) return (null, greeting);
            SmtpReply answer = await connection.AskAsync($"LHLO {name}", StepLimit, cancellation);
            if (!answer.IsPositive) return (null, answer);
            connection.Capabilities = EhloCapabilities.Read(answer);
            ready = true;
            return (connection, null);
        }
        finally
        {
            if (!ready) connection.Dispose();
        }
    }

    /// <summary>Sends a command and reads the answer.</summary>
    internal async ValueTask<SmtpReply> AskAsync(string command, TimeSpan limit, CancellationToken cancellation)
    {
        await SendAsync(Encoding.UTF8.GetBytes(command + "\r\n"), cancellation);
        return await ReadReplyAsync(limit, cancellation);
    }

    /// <summary>Sends bytes.</summary>
    internal async ValueTask SendAsync(ReadOnlyMemory<byte> bytes, CancellationToken cancellation) =>
        await WithinAsync(StepLimit, async token =>
        {
            for (int done = 0; done < bytes.Length;) done += await _socket.SendAsync(bytes[done..], SocketFlags.None, token);
        }, cancellation);

    /// <summary>Reads one reply.</summary>
    internal async ValueTask<SmtpReply> ReadReplyAsync(TimeSpan limit, CancellationToken cancellation)
    {
        SmtpReply? reply = null;
        await WithinAsync(limit, async token =>
        {
            while (true)
            {
                ReplyParseStatus status = _parser.Parse(_input.AsSpan(_begin, _end - _begin), out int consumed, out reply);
                _begin += consumed;
                if (status == ReplyParseStatus.Complete) return;
                if (status == ReplyParseStatus.Malformed) throw new IOException("the server's reply is malformed");
                _begin = 0;
                _end = await _socket.ReceiveAsync(_input, SocketFlags.None, token);
                if (_end == 0) throw new IOException("the server closed the connection");
            }
        }, cancellation);
        return reply!;
    }

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();

    private async ValueTask WithinAsync(TimeSpan limit, Func<CancellationToken, ValueTask> step, CancellationToken cancellation)
    {
        using CancellationTokenSource deadline = new(limit, _time);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellation);
        try
        {
            await step(either.Token);
        }
        catch (SocketException exception)
        {
            throw new IOException(exception.Message, exception);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new IOException("the server did not answer in time");
        }
    }
}

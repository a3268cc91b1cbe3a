using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Runtime.CompilerServices;
using System.Security.Authentication;
using Posthouse.Server.Model;
using Posthouse.Server.Native;

namespace Posthouse.Server.Transport;

/// <summary>
/// A duplex byte stream over a connected TCP or unix socket, which STARTTLS can turn into a TLS stream. In the clear it
/// is nothing but the socket: no stream, no pipe, no buffer of its own. One receive and one send may be under way at a
/// time. What goes wrong is a value: a receive answers 0, a send false, and <see cref="End"/> says why.
/// </summary>
public sealed class Connection : IAsyncDisposable
{
    private readonly Socket _socket;
    private readonly DeadlineWatch _watch;
    private SslStream? _tls;
    private long _deadline;
    private int _end;
    private int _disposed;
    private volatile bool _isSending;

    /// <summary>Takes over a connected socket; its deadlines are kept by <paramref name="watch"/>.</summary>
    public Connection(Socket socket, DeadlineWatch watch)
    {
        _socket = socket;
        _watch = watch;
        if (socket.AddressFamily == AddressFamily.Unix)
        {
            Peer = PeerCredentials.Of(socket);
        }
        else
        {
            // Replies are small, and what they answer waits for them.
            socket.NoDelay = true;
            Remote = Unmapped(socket.RemoteEndPoint);
            Local = Unmapped(socket.LocalEndPoint);
        }
        watch.Add(this);
    }

    /// <summary>Where the client is; null on a unix socket. A PROXY header changes it.</summary>
    public IPEndPoint? Remote { get; private set; }

    /// <summary>Where the client connected to; null on a unix socket. A PROXY header changes it.</summary>
    public IPEndPoint? Local { get; private set; }

    /// <summary>Who is behind a unix socket; null for TCP.</summary>
    public PeerCredentials? Peer { get; }

    /// <summary>Whether it is a unix socket.</summary>
    public bool IsUnix => _socket.AddressFamily == AddressFamily.Unix;

    /// <summary>What TLS agreed on; null in the clear.</summary>
    public TlsInfo? Tls { get; private set; }

    /// <summary>Why nothing more comes, or <see cref="ConnectionEnd.None"/>.</summary>
    public ConnectionEnd End => (ConnectionEnd)Volatile.Read(ref _end);

    /// <summary>For <see cref="ConnectionEnd.Broken"/>: what the system or TLS said.</summary>
    public string? EndDetail { get; private set; }

    internal Connection? NextWatched { get; set; }

    internal Connection? PreviousWatched { get; set; }

    /// <summary>
    /// Lets what is received or sent from now on take at most <paramref name="limit"/> (one second late at most), until
    /// the next call. A receive that is overdue ends the input with <see cref="ConnectionEnd.TimedOut"/>; sending still
    /// works, for the last words, until a deadline set after that passes. A send that is overdue ends everything.
    /// </summary>
    public void SetDeadline(TimeSpan limit) =>
        Volatile.Write(ref _deadline, _watch.Time.GetTimestamp() + (long)(limit.TotalSeconds * _watch.Time.TimestampFrequency));

    /// <summary>Takes the deadline away.</summary>
    public void ClearDeadline() => Volatile.Write(ref _deadline, 0);

    /// <summary>
    /// Receives at least one byte into <paramref name="buffer"/>, which is not empty; 0 means that nothing more comes, and <see cref="End"/> says why.
    /// </summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<int> ReceiveAsync(Memory<byte> buffer)
    {
        // After SHUT_RD Linux still hands out what comes in.
        if (End != ConnectionEnd.None)
            return 0;
        try
        {
            int count = _tls is { } tls ? await tls.ReadAsync(buffer) : await _socket.ReceiveAsync(buffer, SocketFlags.None);
            if (count == 0 && buffer.Length > 0)
                Finish(ConnectionEnd.Closed, null);
            return count;
        }
        catch (Exception error) when (IsBroken(error))
        {
            Finish(ConnectionEnd.Broken, error.Message);
            return 0;
        }
    }

    /// <summary>Waits until there is something to receive, or the end, without holding a buffer.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
    public async ValueTask WaitForDataAsync() => await ReceiveAsync(Memory<byte>.Empty);

    /// <summary>Sends all of <paramref name="bytes"/>; false when the peer can no longer be reached, and <see cref="End"/> says why.</summary>
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<bool> SendAsync(ReadOnlyMemory<byte> bytes)
    {
        _isSending = true;
        try
        {
            if (_tls is { } tls)
            {
                await tls.WriteAsync(bytes);
            }
            else
            {
                while (bytes.Length > 0)
                    bytes = bytes[await _socket.SendAsync(bytes, SocketFlags.None)..];
            }
            return true;
        }
        catch (Exception error) when (IsBroken(error))
        {
            Finish(ConnectionEnd.Broken, error.Message);
            return false;
        }
        finally
        {
            _isSending = false;
        }
    }

    /// <summary>
    /// Makes the server's side of a TLS handshake, within <paramref name="limit"/>. Null when it succeeded, and
    /// <see cref="Tls"/> says how; otherwise the connection is good for nothing but being disposed, except that after 4.3.2 (too many handshakes, none begun) a
    /// 421 can still be said in the clear. What the client sent
    /// in the clear and the caller has already received is the caller's to discard (RFC 3207 4.2).
    /// </summary>
    public async ValueTask<Fault?> UpgradeToTlsAsync(TlsServer server, TimeSpan limit)
    {
        if (!server.Threads.HasRoom)
            return Fault.Temporary("Too many TLS handshakes", null, 3, 2);
        SetDeadline(limit);
        HandshakeStream transport = new(_socket, server.Threads);
        SslStream stream = new(transport, leaveInnerStreamOpen: true);
        string problem;
        try
        {
            Tls = await server.HandshakeAsync(stream);
            transport.Finish();
            _tls = stream;
            return null;
        }
        catch (AuthenticationException error)
        {
            problem = error.InnerException is { } inner ? $"{error.Message} {inner.Message}" : error.Message;
        }
        catch (Exception error) when (IsBroken(error))
        {
            problem = error.Message;
        }
        finally
        {
            ClearDeadline();
            // Back to the thread pool: the session's work must not run on a handshake thread.
            await Task.Yield();
        }
        Finish(ConnectionEnd.Broken, problem);
        await stream.DisposeAsync();
        return Fault.Temporary("TLS handshake failed", problem, 7, 0);
    }

    /// <summary>Believes a proxy about where the client is.</summary>
    public void SetProxied(IPEndPoint remote, IPEndPoint local)
    {
        Remote = remote;
        Local = local;
    }

    /// <summary>Ends the input from another thread: a receive under way, and all later ones, answer 0. Sending still works.</summary>
    public void Interrupt() => Cut(ConnectionEnd.Interrupted, SocketShutdown.Receive);

    /// <summary>Says goodbye to TLS where there is some, and closes the socket.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        if (_tls is { } tls)
        {
            if (End is not ConnectionEnd.Broken)
            {
                SetDeadline(TimeSpan.FromSeconds(5));
                try
                {
                    await tls.ShutdownAsync();
                }
                catch (Exception error) when (IsBroken(error))
                {
                    Finish(ConnectionEnd.Broken, error.Message);
                }
            }
            await tls.DisposeAsync();
        }
        _watch.Remove(this);
        // A socket that is disposed while another thread is still in a call on it is reset, and the last words are lost.
        lock (_socket)
            _socket.Dispose();
    }

    internal bool IsOverdue(long now)
    {
        long deadline = Volatile.Read(ref _deadline);
        return deadline != 0 && now > deadline;
    }

    internal void Expire()
    {
        ClearDeadline();
        Cut(ConnectionEnd.TimedOut, _isSending || End != ConnectionEnd.None ? SocketShutdown.Both : SocketShutdown.Receive);
    }

    private void Cut(ConnectionEnd end, SocketShutdown how)
    {
        Finish(end, null);
        try
        {
            lock (_socket)
                _socket.Shutdown(how);
        }
        catch (Exception error) when (IsBroken(error))
        {
            EndDetail ??= error.Message;
        }
    }

    private void Finish(ConnectionEnd end, string? detail)
    {
        // The first reason is the cause; what follows from it is not.
        if (Interlocked.CompareExchange(ref _end, (int)end, (int)ConnectionEnd.None) == (int)ConnectionEnd.None)
            EndDetail = detail;
    }

    private static bool IsBroken(Exception error) =>
        error is SocketException or IOException or ObjectDisposedException or OperationCanceledException;

    private static IPEndPoint? Unmapped(EndPoint? endPoint) =>
        endPoint is IPEndPoint { Address.IsIPv4MappedToIPv6: true } mapped
            ? new IPEndPoint(mapped.Address.MapToIPv4(), mapped.Port)
            : endPoint as IPEndPoint;
}

using System.Net.Sockets;
using Microsoft.Extensions.Logging;

namespace Posthouse.Server.Transport;

/// <summary>
/// Accepts on a socket that is already bound and listening, and runs a session for every connection. It outlives what
/// accept(2) may say about a connection or about the system's resources.
/// </summary>
public sealed class Listener : IDisposable
{
    private const int ShortestPause = 50;
    private const int LongestPause = 1000;

    private static readonly TimeSpan s_pausedFor = TimeSpan.FromMilliseconds(250);

    private readonly Socket _socket;
    private readonly DeadlineWatch _watch;
    private readonly SessionLimiter _limiter;
    private readonly Func<Connection, SessionAdmission, Task> _serve;
    private readonly ILogger _logger;
    private readonly string _name;
    private readonly Lock _lock = new();
    private CancellationTokenSource _accepting = new();
    private volatile bool _paused;

    /// <summary>
    /// Takes over <paramref name="socket"/>. <paramref name="serve"/> runs one session; beyond the limits of
    /// <paramref name="limiter"/> it is called as well, told so, and should only say 421. The listener disposes the
    /// connection when it returns.
    /// </summary>
    public Listener(Socket socket, DeadlineWatch watch, SessionLimiter limiter, Func<Connection, SessionAdmission, Task> serve, ILogger logger)
    {
        _socket = socket;
        _watch = watch;
        _limiter = limiter;
        _serve = serve;
        _logger = logger;
        _name = socket.LocalEndPoint?.ToString() ?? "?";
    }

    /// <summary>While set, connections are neither accepted nor refused: they wait in the backlog.</summary>
    public bool IsPaused
    {
        get => _paused;
        set
        {
            lock (_lock)
            {
                if (_paused == value)
                    return;
                _paused = value;
                // An accept under way would still take one connection.
                if (value)
                    _accepting.Cancel();
                else
                    _accepting = new CancellationTokenSource();
            }
        }
    }

    /// <summary>Accepts until <paramref name="cancellation"/>; sessions that run are not its concern.</summary>
    public async Task RunAsync(CancellationToken cancellation)
    {
        using CancellationTokenRegistration stopping = cancellation.UnsafeRegister(static listener => ((Listener)listener!).StopAccepting(), this);
        int pause = 0;
        while (!cancellation.IsCancellationRequested)
        {
            try
            {
                if (pause > 0 || _paused)
                    await Task.Delay(_paused ? s_pausedFor : TimeSpan.FromMilliseconds(pause), _watch.Time, cancellation);
                if (_paused)
                    continue;
                Socket accepted = await _socket.AcceptAsync(AcceptingUntil());
                pause = 0;
                ThreadPool.UnsafeQueueUserWorkItem(static work => _ = work.Listener.ServeAsync(work.Socket), (Listener: this, Socket: accepted), preferLocal: false);
            }
            catch (OperationCanceledException)
            {
                // Stopping or pausing: the loop sees which.
            }
            catch (ObjectDisposedException error)
            {
                TransportLog.ListenerGone(_logger, _name, error.Message);
                return;
            }
            catch (SocketException error) when (error.SocketErrorCode == SocketError.ConnectionAborted)
            {
                // The client did not wait; the next one may.
            }
            catch (SocketException error)
            {
                // Descriptors or memory are short, or the client's network is odd (accept(2) reports its errors): none of it lasts.
                pause = pause == 0 ? ShortestPause : Math.Min(pause * 2, LongestPause);
                TransportLog.AcceptFailed(_logger, _name, error.Message, pause);
            }
        }
    }

    /// <summary>Closes the socket; connections in its backlog are refused.</summary>
    public void Dispose() => _socket.Dispose();

    private CancellationToken AcceptingUntil()
    {
        lock (_lock)
            return _accepting.Token;
    }

    private void StopAccepting()
    {
        lock (_lock)
            _accepting.Cancel();
    }

    private async Task ServeAsync(Socket socket)
    {
        try
        {
            await using Connection connection = new(socket, _watch);
            // A PROXY header may change the address later: the place is given back for the one it was taken for.
            System.Net.IPAddress? address = connection.Remote?.Address;
            SessionAdmission admission = _limiter.Enter(address, connection.Peer?.Uid);
            try
            {
                await _serve(connection, admission);
            }
            finally
            {
                if (admission == SessionAdmission.Admitted)
                    _limiter.Leave(address, connection.Peer?.Uid);
            }
        }
        catch (SocketException error)
        {
            // The client was gone before its address could be read.
            socket.Dispose();
            TransportLog.SessionFailed(_logger, _name, error);
        }
        catch (Exception error)
        {
            TransportLog.SessionFailed(_logger, _name, error);
        }
    }
}

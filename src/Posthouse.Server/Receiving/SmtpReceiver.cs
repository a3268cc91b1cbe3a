using System.Net;
using System.Net.Sockets;
using Posthouse.Server.Model;
using Posthouse.Server.Transport;

namespace Posthouse.Server.Receiving;

/// <summary>Serves the connections of one listener, and knows those that are open, so that the server can stop in good order.</summary>
public sealed class SmtpReceiver
{
    private static readonly TimeSpan s_lastWords = TimeSpan.FromSeconds(5);

    private readonly Lock _lock = new();
    private readonly HashSet<SmtpSession> _open = [];
    private readonly TaskCompletionSource _drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Counter _local;
    private readonly Counter _inet4;
    private readonly Counter _inet6;
    private volatile bool _isStopping;

    /// <summary>Serves by <paramref name="profile"/>.</summary>
    public SmtpReceiver(SessionProfile profile, ReceivingServices services)
    {
        Profile = profile;
        Services = services;
        Connected = services.Counters["smtp.connected"];
        Sessions = services.Counters["smtp.session"];
        _local = services.Counters["smtp.session.local"];
        _inet4 = services.Counters["smtp.session.inet4"];
        _inet6 = services.Counters["smtp.session.inet6"];
        StartedTls = services.Counters["smtp.tls"];
        ImplicitTls = services.Counters["smtp.smtps"];
    }

    /// <summary>What holds for its sessions.</summary>
    public SessionProfile Profile { get; }

    /// <summary>Sessions open now.</summary>
    public int Open
    {
        get
        {
            lock (_lock)
                return _open.Count;
        }
    }

    /// <summary>Sessions that wait for their clients.</summary>
    internal int Waiting
    {
        get
        {
            lock (_lock)
                return _open.Count(static session => session.IsWaiting);
        }
    }

    internal ReceivingServices Services { get; }

    internal Counter Connected { get; }

    internal Counter Sessions { get; }

    internal Counter StartedTls { get; }

    internal Counter ImplicitTls { get; }

    internal bool IsStopping => _isStopping;

    /// <summary>Runs one session to its end, and never throws; the caller disposes the connection. For <see cref="Listener"/>.</summary>
    public async Task ServeAsync(Connection connection, SessionAdmission admission)
    {
        SmtpSession session = new(this, connection);
        lock (_lock)
            _open.Add(session);
        try
        {
            await session.RunAsync(admission);
        }
        finally
        {
            lock (_lock)
            {
                _open.Remove(session);
                if (_isStopping && _open.Count == 0)
                    _drained.TrySetResult();
            }
        }
    }

    /// <summary>
    /// Ends all sessions with 421, those in which a message is coming in when it is done, at the latest after <paramref name="limit"/>. Completes when none is left, or five seconds after the limit.
    /// The listener is to be stopped before.
    /// </summary>
    public async Task StopAsync(TimeSpan limit)
    {
        _isStopping = true;
        Interrupt(evenWithContent: false);
        if (Open == 0)
            return;
        try
        {
            await _drained.Task.WaitAsync(limit, Services.Time);
        }
        catch (TimeoutException)
        {
            Interrupt(evenWithContent: true);
            // One that is stuck elsewhere, in a lookup say, does not keep the server from stopping: what it acknowledged is in the queue.
            await Task.WhenAny(_drained.Task, Task.Delay(s_lastWords, Services.Time));
        }
    }

    internal Counter SessionsOf(IPAddress? client) =>
        client == null ? _local : client.AddressFamily == AddressFamily.InterNetworkV6 ? _inet6 : _inet4;

    private void Interrupt(bool evenWithContent)
    {
        SmtpSession[] sessions;
        lock (_lock)
            sessions = [.. _open];
        foreach (SmtpSession session in sessions)
        {
            if (evenWithContent || !session.TakesContent)
                session.Interrupt();
        }
    }
}

namespace Posthouse.Server.Transport;

// A read that may hang needs a deadline, and a timer per read costs more than the read. So a connection only writes
// down until when it is willing to wait, and one heartbeat for all of them looks once a second who has waited too
// long: setting a deadline is one store, and ten thousand idle connections cost some 100 µs a second. Deadlines are
// kept late by up to one period, never early. The heart stands still while there is no connection.

/// <summary>The one timer behind the deadlines of all connections.</summary>
public sealed class DeadlineWatch : IDisposable
{
    private static readonly TimeSpan s_period = TimeSpan.FromSeconds(1);

    private readonly Lock _lock = new();
    private readonly ITimer _timer;
    private readonly List<Connection> _expired = [];
    private Connection? _first;
    private bool _beating;
    private bool _disposed;

    /// <summary>Makes a watch that beats by <paramref name="time"/>.</summary>
    public DeadlineWatch(TimeProvider time)
    {
        Time = time;
        _timer = time.CreateTimer(static state => ((DeadlineWatch)state!).Beat(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>The clock.</summary>
    public TimeProvider Time { get; }

    /// <summary>Open connections now.</summary>
    public int Count { get; private set; }

    /// <summary>Ends what every open connection receives, so that its session can take leave.</summary>
    public void InterruptAll()
    {
        List<Connection> all = [];
        lock (_lock)
        {
            for (Connection? connection = _first; connection is not null; connection = connection.NextWatched)
                all.Add(connection);
        }
        foreach (Connection connection in all)
            connection.Interrupt();
    }

    /// <summary>Stops the heartbeat; deadlines are no longer kept.</summary>
    public void Dispose()
    {
        lock (_lock)
            _disposed = true;
        _timer.Dispose();
    }

    internal void Add(Connection connection)
    {
        lock (_lock)
        {
            connection.NextWatched = _first;
            if (_first is not null)
                _first.PreviousWatched = connection;
            _first = connection;
            Count++;
            if (!_beating && !_disposed)
            {
                _beating = true;
                _timer.Change(s_period, s_period);
            }
        }
    }

    internal void Remove(Connection connection)
    {
        lock (_lock)
        {
            if (connection.PreviousWatched is { } previous)
                previous.NextWatched = connection.NextWatched;
            else if (ReferenceEquals(_first, connection))
                _first = connection.NextWatched;
            else
                return;
            if (connection.NextWatched is { } next)
                next.PreviousWatched = connection.PreviousWatched;
            connection.NextWatched = connection.PreviousWatched = null;
            Count--;
        }
    }

    private void Beat()
    {
        lock (_lock)
        {
            long now = Time.GetTimestamp();
            for (Connection? connection = _first; connection is not null; connection = connection.NextWatched)
            {
                if (connection.IsOverdue(now))
                    _expired.Add(connection);
            }
            if (_first is null && !_disposed)
            {
                _beating = false;
                _timer.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            }
            // Under the lock: shutting a socket down runs no continuation on this thread, and beats must not overlap.
            foreach (Connection connection in _expired)
                connection.Expire();
            _expired.Clear();
        }
    }
}

using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Posthouse.Server.Delivering.Local;

/// <summary>
/// The engine's sockets to delivery workers, by the workers' numbers: kept while mail keeps coming, closed after a minute
/// without, or when more users are at it than are worth keeping (the longest unused first). A worker ends with its socket.
/// </summary>
internal sealed class WorkerConnections : IDisposable
{
    private static readonly TimeSpan s_rest = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan s_sweep = TimeSpan.FromSeconds(10);

    private readonly TimeProvider _time;
    private readonly Dictionary<int, WorkerConnection> _workers = [];
    private readonly ITimer _sweeper;
    private bool _disposed;

    internal WorkerConnections(TimeProvider time)
    {
        _time = time;
        _sweeper = time.CreateTimer(_ => Sweep(), null, s_sweep, s_sweep);
    }

    /// <summary>Most workers without work: each is a process, so they are fewer where memory is short.</summary>
    internal static int IdleBound { get; } = (int)Math.Clamp(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / (64 << 20), 16, 128);

    /// <summary>Keeps the socket to a worker, which comes with each grant, unless there is one.</summary>
    internal void Keep(int worker, SafeHandle descriptor)
    {
        lock (_workers)
        {
            if (_disposed || (_workers.TryGetValue(worker, out WorkerConnection? known) && known.IsUsable)) return;
            known?.Dispose();
            int number = (int)descriptor.DangerousGetHandle();
            descriptor.SetHandleAsInvalid();
            _workers[worker] = new(new Socket(new SafeSocketHandle(number, ownsHandle: true)), _time);
            Evict();
        }
    }

    /// <summary>The connection to a worker, for one delivery, to be given back by <see cref="Leave"/>; null when there is none that works.</summary>
    internal WorkerConnection? Enter(int worker)
    {
        lock (_workers)
        {
            if (!_workers.TryGetValue(worker, out WorkerConnection? connection)) return null;
            if (connection.IsUsable)
            {
                connection.InUse++;
                return connection;
            }
            _workers.Remove(worker);
            connection.Dispose();
            return null;
        }
    }

    /// <summary>Gives a connection back.</summary>
    internal void Leave(int worker, WorkerConnection connection)
    {
        lock (_workers)
        {
            connection.InUse--;
            connection.LastUsed = _time.GetTimestamp();
            if (connection.IsUsable || !_workers.TryGetValue(worker, out WorkerConnection? current) || current != connection) return;
            _workers.Remove(worker);
            connection.Dispose();
        }
    }

    /// <summary>Lets all workers go.</summary>
    public void Dispose()
    {
        _sweeper.Dispose();
        lock (_workers)
        {
            _disposed = true;
            foreach (WorkerConnection connection in _workers.Values) connection.Dispose();
            _workers.Clear();
        }
    }

    private void Sweep()
    {
        lock (_workers)
        {
            foreach ((int worker, WorkerConnection connection) in Idle())
                if (!connection.IsUsable || _time.GetElapsedTime(connection.LastUsed) >= s_rest) LetGo(worker, connection);
        }
    }

    private void Evict()
    {
        List<KeyValuePair<int, WorkerConnection>> idle = Idle();
        foreach ((int worker, WorkerConnection connection) in idle.OrderBy(static entry => entry.Value.LastUsed).Take(Math.Max(0, idle.Count - IdleBound))) LetGo(worker, connection);
    }

    private List<KeyValuePair<int, WorkerConnection>> Idle() => [.. _workers.Where(static entry => entry.Value.InUse == 0)];

    private void LetGo(int worker, WorkerConnection connection)
    {
        _workers.Remove(worker);
        connection.Dispose();
    }
}

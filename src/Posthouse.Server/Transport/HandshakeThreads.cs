using System.Runtime.CompilerServices;

namespace Posthouse.Server.Transport;

// A full handshake costs about a millisecond of CPU, and its signature may have to wait for another process. On the
// thread pool a burst of them would hold up every other session. But a thread for each that has begun would be held
// by slow clients. So a handshake waits for the network like everything else and comes to one of these threads only
// for the step after each receive: the stream under SslStream hops here before it hands over what it received, and
// SslStream goes on where that ends. The bound is on the steps that wait; clients that wait hold nothing but a socket.

/// <summary>The threads on which the steps of TLS handshakes run.</summary>
public sealed class HandshakeThreads : IDisposable
{
    /// <summary>Steps waiting, beyond which new handshakes are refused.</summary>
    private const int MaxWaiting = 256;

    [ThreadStatic]
    private static bool t_isHandshakeThread;

    // Guarded by itself. A BlockingCollection spins before it waits: a sixth more CPU for a handshake on two cores.
    private readonly Queue<Action> _steps = [];
    private readonly int _count;
    private int _waiting;
    private bool _started;
    private bool _isOver;

    /// <summary>Has <paramref name="count"/> threads (default: twice the cores), which start with the first handshake.</summary>
    public HandshakeThreads(int? count = null) => _count = count ?? Environment.ProcessorCount * 2;

    /// <summary>Whether another handshake may begin.</summary>
    public bool HasRoom => Volatile.Read(ref _waiting) < MaxWaiting;

    /// <summary>Awaited: what follows runs on one of these threads.</summary>
    public Hop Enter() => new(this);

    /// <summary>Ends the threads when they have nothing to do; what is hopped here afterwards runs where it was.</summary>
    public void Dispose()
    {
        lock (_steps)
        {
            _isOver = true;
            Monitor.PulseAll(_steps);
        }
    }

    private void Post(Action step)
    {
        lock (_steps)
        {
            if (!_isOver)
            {
                if (!_started) Start();
                _steps.Enqueue(step);
                Volatile.Write(ref _waiting, _steps.Count);
                Monitor.Pulse(_steps);
                return;
            }
        }
        // Stopping: the last handshakes need not wait for anybody.
        step();
    }

    private void Start()
    {
        _started = true;
        for (int number = 0; number < _count; number++)
            new Thread(Run, 512 * 1024) { IsBackground = true, Name = $"handshake {number}" }.Start();
    }

    private void Run()
    {
        t_isHandshakeThread = true;
        while (Next() is { } step)
            step();
    }

    /// <summary>Waits for a step; null when there will be none any more.</summary>
    private Action? Next()
    {
        lock (_steps)
        {
            while (_steps.Count == 0)
            {
                if (_isOver) return null;
                Monitor.Wait(_steps);
            }
            Action step = _steps.Dequeue();
            Volatile.Write(ref _waiting, _steps.Count);
            return step;
        }
    }

    /// <summary>The way onto the threads.</summary>
    public readonly struct Hop(HandshakeThreads threads) : ICriticalNotifyCompletion
    {
        /// <summary>Whether this is such a thread already.</summary>
        public bool IsCompleted => t_isHandshakeThread;

        /// <summary>Itself.</summary>
        public Hop GetAwaiter() => this;

        /// <summary>Nothing.</summary>
        public void GetResult()
        {
        }

        /// <inheritdoc/>
        public void OnCompleted(Action continuation) => threads.Post(continuation);

        /// <inheritdoc/>
        public void UnsafeOnCompleted(Action continuation) => threads.Post(continuation);
    }
}

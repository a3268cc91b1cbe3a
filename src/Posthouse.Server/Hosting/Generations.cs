using Posthouse.Plugs;
using Posthouse.Server.Delivering.Bouncing;
using Posthouse.Server.Model;

namespace Posthouse.Server.Hosting;

/// <summary>The configuration in force, and those before it that sessions still work by. Thread-safe.</summary>
internal sealed class Generations : IReturnRoute, IAsyncDisposable
{
    private readonly Lock _lock = new();
    private readonly List<Serving> _alive = [];
    private readonly List<Task> _closing = [];
    private Serving? _current;

    /// <summary>What is in force. Its tables may be closed at any time after that has changed: for a question, <see cref="Enter"/> it.</summary>
    public Serving Current => Volatile.Read(ref _current) ?? throw new InvalidOperationException("nothing is served yet");

    /// <summary>All whose sessions or questions have not ended, the one in force last.</summary>
    public IReadOnlyList<Serving> Alive
    {
        get
        {
            lock (_lock) return [.. _alive];
        }
    }

    /// <summary>What is in force, to be left by <see cref="Serving.Leave"/>.</summary>
    public Serving Enter()
    {
        while (true)
        {
            Serving serving = Current;
            if (serving.TryEnter()) return serving;
        }
    }

    /// <summary>Puts another in force; the one before goes when its last session has ended.</summary>
    public void Replace(Serving next)
    {
        next.Unused = Close;
        lock (_lock) _alive.Add(next);
        Interlocked.Exchange(ref _current, next)?.Leave();
    }

    /// <inheritdoc/>
    public async ValueTask<(Fault? Failure, IReadOnlyList<Envelope> Envelopes)> ResolveAsync(Envelope bounce, CancellationToken cancellation)
    {
        Serving serving = Enter();
        try
        {
            return await serving.FindWayBackAsync(bounce, cancellation);
        }
        finally
        {
            serving.Leave();
        }
    }

    /// <summary>Closes the tables of all, used or not.</summary>
    public async ValueTask DisposeAsync()
    {
        Serving[] left;
        Task[] closing;
        lock (_lock)
        {
            left = [.. _alive];
            _alive.Clear();
            closing = [.. _closing];
        }

        foreach (Serving serving in left) await serving.DisposeAsync();
        await Task.WhenAll(closing);
    }

    private void Close(Serving serving)
    {
        lock (_lock)
        {
            if (!_alive.Remove(serving)) return;
            _closing.RemoveAll(static task => task.IsCompleted);
            _closing.Add(serving.DisposeAsync().AsTask());
        }
    }
}

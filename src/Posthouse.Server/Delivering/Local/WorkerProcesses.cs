using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;
using Posthouse.Server.Model;
using Posthouse.Server.Native;
using Posthouse.Server.Processes;

namespace Posthouse.Server.Delivering.Local;

/// <summary>
/// The delivery workers that the parent has started, one per identity. The engine says which it needs no more by shutting
/// its socket down, or by naming one as lost; a worker then ends and is reaped here, and one that does not is killed.
/// </summary>
internal sealed class WorkerProcesses : IDisposable
{
    /// <summary>Most workers at once: those that the engine keeps without work, and those that its deliveries may need besides.</summary>
    internal static int Bound { get; } = 2 * WorkerConnections.IdleBound;

    private static readonly TimeSpan s_sweep = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_lastWords = TimeSpan.FromSeconds(10);
    private const int StartsAtOnce = 4;

    private readonly ChildStarter _starter;
    private readonly IReadOnlyList<string> _words;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Dictionary<WorkerIdentity, Task<WorkerProcess?>> _workers = [];
    private readonly List<(int Process, long Since)> _dying = [];
    private readonly SemaphoreSlim _starting = new(StartsAtOnce);
    private readonly ITimer _sweeper;
    private int _lastNumber;
    private int _version;
    private bool _disposed;

    internal WorkerProcesses(ChildStarter starter, IReadOnlyList<string> words, TimeProvider time, ILogger logger)
    {
        _starter = starter;
        _words = words;
        _time = time;
        _logger = logger;
        _sweeper = time.CreateTimer(_ => Sweep(), null, s_sweep, s_sweep);
    }

    /// <summary>Which configuration targets are told by: changes with <see cref="ForgetTargets"/>.</summary>
    internal int Version
    {
        get
        {
            lock (_workers) return _version;
        }
    }

    /// <summary>The processes that run and have not been let go.</summary>
    internal IReadOnlyList<int> Running
    {
        get
        {
            lock (_workers) return [.. _workers.Values.Where(static started => started is { IsCompletedSuccessfully: true, Result: not null }).Select(static started => started.Result!.Process)];
        }
    }

    /// <summary>
    /// Has a worker for <paramref name="account"/> told of a target; its number, the target's, and a copy of the engine's socket to it. The worker whose
    /// number is <paramref name="lost"/> is let go before. Null when there can be no worker now; no target, when <paramref name="version"/> is over.
    /// </summary>
    internal async ValueTask<(int Worker, int Target, SafeFileHandle Data)?> GrantAsync(
        UserAccount account, WorkerIdentity identity, FileTarget target, int lost, int version, CancellationToken cancellation)
    {
        if (lost != 0) LetGo(lost);
        // A worker may end between its start and its first target; one that ends twice has a reason that stays.
        for (int i = 0; i < 2; i++)
        {
            Task<WorkerProcess?>? started;
            lock (_workers)
            {
                if (_disposed) return null;
                if (!_workers.TryGetValue(identity, out started))
                {
                    if (_workers.Count >= Bound) return null;
                    _workers[identity] = started = StartAsync(account, identity);
                }
            }
            if (await started.WaitAsync(cancellation) is not { } worker) return null;
            lock (_workers)
            {
                if (!IsCurrent(worker, started)) continue;
                int number = _version == version ? worker.Tell(target) : 0;
                if ((number != 0 || _version != version) && worker.CopyData() is { } data) return (worker.Number, number, data);
                LetGo(worker);
            }
        }
        return null;
    }

    /// <summary>Makes all workers forget their targets, which a new configuration may give to others.</summary>
    internal void ForgetTargets()
    {
        lock (_workers)
        {
            _version++;
            foreach (Task<WorkerProcess?> started in _workers.Values.ToArray())
                if (started is { IsCompletedSuccessfully: true, Result: { } worker } && !worker.Forget()) LetGo(worker);
        }
    }

    /// <summary>Lets all workers go.</summary>
    public void Dispose()
    {
        _sweeper.Dispose();
        lock (_workers)
        {
            _disposed = true;
            foreach (Task<WorkerProcess?> started in _workers.Values.ToArray())
                if (started is { IsCompletedSuccessfully: true, Result: { } worker }) LetGo(worker);
            // They end by themselves when they hear nothing more; a second is plenty.
            for (int i = 0; i < 20 && _dying.Count > 0; i++)
            {
                _dying.RemoveAll(static dying => ChildProcess.TryReap(dying.Process, wait: false, out _, out _));
                if (_dying.Count > 0) Thread.Sleep(50);
            }
            foreach ((int process, _) in _dying)
            {
                ChildProcess.Kill(process);
                ChildProcess.TryReap(process, wait: true, out _, out _);
            }
            _dying.Clear();
        }
    }

    private async Task<WorkerProcess?> StartAsync(UserAccount account, WorkerIdentity identity)
    {
        await Task.Yield();
        WorkerProcess? worker = null;
        try
        {
            await _starting.WaitAsync();
            try
            {
                worker = await Task.Factory.StartNew(() => Start(account, identity), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            }
            finally
            {
                _starting.Release();
            }
        }
        finally
        {
            // The next who asks must find a fresh start, not this failure again.
            lock (_workers)
            {
                if (worker is null) _workers.Remove(identity);
                else if (_disposed) Bury(worker);
            }
        }
        if (worker is not null) _ = WatchAsync(worker);
        return worker;
    }

    private WorkerProcess? Start(UserAccount account, WorkerIdentity identity)
    {
        int control = -1, theirControl = -1, data = -1, theirData = -1;
        string? failure = null;
        int? process = null;
        if (DescriptorPair.Sockets(out control, out theirControl) is not 0 and int error) failure = Errno.Text(error);
        else if (DescriptorPair.Sockets(out data, out theirData) is not 0 and int second) failure = Errno.Text(second);
        else process = _starter.Start(identity.Request(_words), theirControl, theirData, 2, out failure);
        foreach (int end in (int[])[theirControl, theirData])
            if (end >= 0) Libc.close(end);
        if (process is { } number)
        {
            Socket socket = new(new SafeSocketHandle(control, ownsHandle: true)) { Blocking = false };
            return new(Interlocked.Increment(ref _lastNumber), number, identity, socket, new(data, ownsHandle: true));
        }
        foreach (int end in (int[])[control, data])
            if (end >= 0) Libc.close(end);
        ProcessesLog.StartFailed(_logger, "delivery worker", account.Name, failure ?? "");
        return null;
    }

    private async Task WatchAsync(WorkerProcess worker)
    {
        await worker.EndedAsync();
        lock (_workers)
            if (_workers.TryGetValue(worker.Identity, out Task<WorkerProcess?>? started) && IsCurrent(worker, started)) LetGo(worker);
    }

    private bool IsCurrent(WorkerProcess worker, Task<WorkerProcess?> started) =>
        _workers.TryGetValue(worker.Identity, out Task<WorkerProcess?>? now) && now == started && now is { IsCompletedSuccessfully: true } && now.Result == worker;

    private void LetGo(int number)
    {
        lock (_workers)
        {
            foreach (Task<WorkerProcess?> started in _workers.Values)
            {
                if (started is not { IsCompletedSuccessfully: true, Result: { } worker } || worker.Number != number) continue;
                LetGo(worker);
                return;
            }
        }
    }

    private void LetGo(WorkerProcess worker)
    {
        _workers.Remove(worker.Identity);
        Bury(worker);
    }

    private void Bury(WorkerProcess worker)
    {
        worker.Dispose();
        _dying.Add((worker.Process, _time.GetTimestamp()));
    }

    private void Sweep()
    {
        lock (_workers)
        {
            for (int i = _dying.Count - 1; i >= 0; i--)
            {
                if (ChildProcess.TryReap(_dying[i].Process, wait: false, out _, out _)) _dying.RemoveAt(i);
                else if (_time.GetElapsedTime(_dying[i].Since) > s_lastWords) ChildProcess.Kill(_dying[i].Process);
            }
        }
    }
}

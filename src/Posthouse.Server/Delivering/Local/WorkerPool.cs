using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Posthouse.Server.Model;
using Posthouse.Server.Native;
using Posthouse.Server.Processes;

namespace Posthouse.Server.Delivering.Local;

/// <summary>
/// Delivery workers, one per user: made when mail for a user comes, kept while it keeps coming, let go after a minute
/// without, or when more users are at it than are worth keeping (the longest unused first).
/// </summary>
internal sealed class WorkerPool : IDisposable
{
    private static readonly TimeSpan s_rest = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan s_sweep = TimeSpan.FromSeconds(10);
    private const int IdleBound = 16;

    private readonly ChildStarter _starter;
    private readonly string _hostName;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Dictionary<UserAccount, Task<WorkerConnection?>> _workers = [];
    private readonly List<Dying> _dying = [];
    private readonly ITimer _sweeper;

    internal WorkerPool(ChildStarter starter, string hostName, TimeProvider time, ILogger logger)
    {
        _starter = starter;
        _hostName = hostName;
        _time = time;
        _logger = logger;
        _sweeper = time.CreateTimer(_ => Sweep(), null, s_sweep, s_sweep);
    }

    /// <summary>Has a message stored by a process that is <paramref name="account"/>.</summary>
    internal async ValueTask<DeliveryResult> StoreAsync(UserAccount account, FileTarget target, IMessageContent content, CancellationToken cancellation)
    {
        WorkerConnection? worker = await EnterAsync(account, cancellation);
        if (worker is null) return DeliveryResult.Temporary($"cannot become {account.Name}", 3, 0);
        try
        {
            return await worker.StoreAsync(target, content, cancellation);
        }
        finally
        {
            Leave(account, worker);
        }
    }

    /// <summary>Lets all workers go.</summary>
    public void Dispose()
    {
        _sweeper.Dispose();
        lock (_workers)
        {
            foreach (Task<WorkerConnection?> started in _workers.Values)
                if (started is { IsCompletedSuccessfully: true, Result: { } worker }) LetGo(worker);
            _workers.Clear();
            foreach (Dying dying in _dying)
            {
                // They end by themselves when they hear nothing more; a second is plenty.
                for (int i = 0; i < 20 && !ChildProcess.TryReap(dying.Process, wait: false, out _, out _); i++) Thread.Sleep(50);
            }
            _dying.Clear();
        }
    }

    private async ValueTask<WorkerConnection?> EnterAsync(UserAccount account, CancellationToken cancellation)
    {
        while (true)
        {
            Task<WorkerConnection?>? starting;
            lock (_workers)
            {
                if (!_workers.TryGetValue(account, out starting))
                {
                    Evict(IdleBound - 1);
                    _workers[account] = starting = Task.Factory.StartNew(() => Start(account), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
                }
            }
            WorkerConnection? worker;
            try
            {
                worker = await starting.WaitAsync(cancellation);
            }
            catch (Exception) when (starting.IsFaulted)
            {
                // The next delivery must find a fresh start, not this failure again.
                lock (_workers)
                    if (_workers.TryGetValue(account, out Task<WorkerConnection?>? failed) && failed == starting) _workers.Remove(account);
                throw;
            }
            lock (_workers)
            {
                bool current = _workers.TryGetValue(account, out Task<WorkerConnection?>? now) && now == starting;
                if (worker is { IsUsable: true } && current)
                {
                    worker.InUse++;
                    return worker;
                }
                if (current) _workers.Remove(account);
                if (worker is not null && current) LetGo(worker);
                if (worker is null) return null;
            }
        }
    }

    private void Leave(UserAccount account, WorkerConnection worker)
    {
        lock (_workers)
        {
            worker.InUse--;
            worker.LastUsed = _time.GetTimestamp();
            if (worker.IsUsable || !_workers.TryGetValue(account, out Task<WorkerConnection?>? now) || !now.IsCompletedSuccessfully || now.Result != worker) return;
            _workers.Remove(account);
            LetGo(worker);
        }
    }

    private WorkerConnection? Start(UserAccount account)
    {
        if (DescriptorPair.Sockets(out int ours, out int theirs) is not 0 and int error)
        {
            ProcessesLog.StartFailed(_logger, "delivery worker", account.Name, Errno.Text(error));
            return null;
        }
        Socket socket = new(new SafeSocketHandle(ours, ownsHandle: true));
        ChildRequest request = ChildStarter.For(account, changesIdentity: true, [], []) with { Words = [DeliveryWorker.Role, _hostName] };
        int? process = _starter.Start(request, theirs, theirs, 2, out string? failure);
        Libc.close(theirs);
        if (process is { } number) return new(number, socket, _time);
        socket.Dispose();
        ProcessesLog.StartFailed(_logger, "delivery worker", account.Name, failure ?? "");
        return null;
    }

    private void Sweep()
    {
        lock (_workers)
        {
            foreach ((UserAccount account, WorkerConnection worker) in Idle())
            {
                if (worker.IsUsable && _time.GetElapsedTime(worker.LastUsed) < s_rest) continue;
                _workers.Remove(account);
                LetGo(worker);
            }
            for (int i = _dying.Count - 1; i >= 0; i--)
            {
                if (ChildProcess.TryReap(_dying[i].Process, wait: false, out _, out _)) _dying.RemoveAt(i);
                else if (_time.GetElapsedTime(_dying[i].Since) > s_sweep) ChildProcess.Kill(_dying[i].Process);
            }
        }
    }

    private void Evict(int keep)
    {
        List<(UserAccount Account, WorkerConnection Worker)> idle = Idle();
        foreach ((UserAccount account, WorkerConnection worker) in idle.OrderBy(static entry => entry.Worker.LastUsed).Take(Math.Max(0, idle.Count - keep)))
        {
            _workers.Remove(account);
            LetGo(worker);
        }
    }

    private List<(UserAccount Account, WorkerConnection Worker)> Idle()
    {
        List<(UserAccount, WorkerConnection)> idle = [];
        foreach ((UserAccount account, Task<WorkerConnection?> started) in _workers)
            if (started is { IsCompletedSuccessfully: true, Result: { InUse: 0 } worker }) idle.Add((account, worker));
        return idle;
    }

    private void LetGo(WorkerConnection worker)
    {
        worker.Dispose();
        _dying.Add(new(worker.Process, _time.GetTimestamp()));
    }

    private readonly record struct Dying(int Process, long Since);
}

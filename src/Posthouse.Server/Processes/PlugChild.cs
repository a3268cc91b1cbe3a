using Posthouse.Server.Native;

namespace Posthouse.Server.Processes;

/// <summary>A plug that is a child of this process: told to end, made to end, and reaped. Its number is never used after that, when it may be another's.</summary>
internal sealed class PlugChild
{
    /// <summary>How long it may take to end when it is told to.</summary>
    internal static readonly TimeSpan Grace = TimeSpan.FromSeconds(5);

    private readonly TimeProvider _time;
    private readonly TaskCompletionSource<ProcessEnd> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _reaping = new();
    private ITimer? _killer;
    private bool _reaped;

    /// <summary>Takes a child over.</summary>
    internal PlugChild(int process, TimeProvider time)
    {
        Id = process;
        _time = time;
        new Thread(Wait, 128 << 10) { IsBackground = true, Name = "wait for plug" }.Start();
    }

    /// <summary>Its process id.</summary>
    internal int Id { get; }

    /// <summary>Completes with how it ended, after the rest of its process group has been killed.</summary>
    internal Task<ProcessEnd> Ended => _ended.Task;

    /// <summary>SIGTERM to its process group, and SIGKILL after <see cref="Grace"/>.</summary>
    internal void Terminate()
    {
        lock (_reaping)
        {
            if (_reaped || _killer is not null) return;
            _killer = _time.CreateTimer(static child => ((PlugChild)child!).Kill(), this, Grace, Timeout.InfiniteTimeSpan);
            ChildProcess.Terminate(Id);
        }
    }

    /// <summary>SIGKILL to its process group, if it still runs.</summary>
    internal void Kill()
    {
        lock (_reaping)
            if (!_reaped) ChildProcess.Kill(Id);
    }

    private void Wait()
    {
        ChildProcess.WaitUntilEnded(Id);
        int code, signal;
        lock (_reaping)
        {
            // Until it is reaped the number of the group is nobody else's. What it has left behind would hold its sockets, and speak beside the next.
            ChildProcess.Kill(Id);
            ChildProcess.TryReap(Id, wait: true, out code, out signal);
            _reaped = true;
            _killer?.Dispose();
        }
        _ended.SetResult(new(code, signal));
    }
}

using Posthouse.Server.Native;

namespace Posthouse.Server.Processes;

/// <summary>A child that runs, and is reaped when it ends. Its number is never used after that, when it may be another's.</summary>
internal sealed class RunningProcess
{
    private readonly TaskCompletionSource<ProcessEnd> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _reaping = new();
    private bool _reaped;

    /// <summary>Takes a child over.</summary>
    internal RunningProcess(int process)
    {
        Id = process;
        new Thread(Wait, 128 << 10) { IsBackground = true, Name = "wait for child" }.Start();
    }

    /// <summary>Its process id.</summary>
    internal int Id { get; }

    /// <summary>Completes with how it ended.</summary>
    internal Task<ProcessEnd> Ended => _ended.Task;

    /// <summary>Kills it and its process group, if it still runs.</summary>
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
            ChildProcess.TryReap(Id, wait: true, out code, out signal);
            _reaped = true;
        }
        _ended.SetResult(new(code, signal));
    }
}

using Microsoft.Extensions.Logging;
using Posthouse.Server.Native;

namespace Posthouse.Server.Queueing;

/// <summary>
/// Syncs directories a moment after they changed, each once however often it changed meanwhile: an update or delete of an
/// envelope must survive a power cut within a second, and nobody waits for it.
/// </summary>
internal sealed class LateSyncs : IAsyncDisposable
{
    private static readonly TimeSpan s_delay = TimeSpan.FromMilliseconds(500);
    private readonly ILogger _logger;
    private readonly DiskThreads _threads;
    private readonly Lock _lock = new();
    private readonly ITimer _timer;
    private HashSet<string> _changed = new(StringComparer.Ordinal);
    private Task _running = Task.CompletedTask;

    public LateSyncs(DiskThreads threads, TimeProvider time, ILogger logger)
    {
        _threads = threads;
        _logger = logger;
        _timer = time.CreateTimer(static state => ((LateSyncs)state!).Start(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    public void Add(string directory)
    {
        lock (_lock)
        {
            if (_changed.Add(directory) && _changed.Count == 1)
                _timer.Change(s_delay, Timeout.InfiniteTimeSpan);
        }
    }

    private void Start()
    {
        lock (_lock)
        {
            // One round at a time; what a slow disk leaves waits for the next.
            if (!_running.IsCompleted)
                _timer.Change(s_delay, Timeout.InfiniteTimeSpan);
            else
                _running = SyncAllAsync();
        }
    }

    private async Task SyncAllAsync()
    {
        HashSet<string> changed;
        lock (_lock)
        {
            changed = _changed;
            _changed = new(StringComparer.Ordinal);
        }

        foreach (string directory in changed)
        {
            int error = await _threads.RunAsync(() => FileDescriptor.SyncDirectory(directory));
            // A directory that has gone meanwhile was emptied and its parent noted.
            if (error is not (0 or Errno.NoEntry))
                QueueingLog.SyncFailed(_logger, directory, Errno.Text(error));
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _timer.DisposeAsync();
        await _running;
        await SyncAllAsync();
    }
}

using Microsoft.Extensions.Logging;
using Posthouse.Plugs;

namespace Posthouse.Server.Queueing.Log;

/// <summary>
/// In the background: unlinks body files and segments that nothing needs any more, compacts segments that hold little,
/// and lets go of old messages in memory. A file goes only after a sync has made durable what made it superfluous, and
/// a segment whose tombstones buried others goes only after the directory without those is durable.
/// </summary>
internal sealed class LogHousekeeper : IAsyncDisposable
{
    // A segment is compacted when at most a quarter of it still counts.
    private const int WorthwhileShare = 4;

    // Dead segments that only wait for those they bury may pile up to so many before their tombstones are copied on.
    private const int MostWaiting = 4;

    private static readonly TimeSpan s_pause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan s_trimInterval = TimeSpan.FromSeconds(30);

    private readonly LogState _state;
    private readonly ILogFiles _files;
    private readonly LogWriter _writer;
    private readonly LogBodies _bodies;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly SemaphoreSlim _work = new(0);
    private readonly CancellationTokenSource _stop = new();
    private readonly ITimer _trimTimer;
    private readonly HashSet<int> _uncompactable = [];
    private readonly Task _running;
    private int _signalled;

    public LogHousekeeper(LogState state, ILogFiles files, LogWriter writer, LogBodies bodies, RecentMessages recent, TimeProvider time, ILogger logger)
    {
        _state = state;
        _files = files;
        _writer = writer;
        _bodies = bodies;
        _time = time;
        _logger = logger;
        _trimTimer = time.CreateTimer(_ => recent.Trim(), null, s_trimInterval, s_trimInterval);
        writer.Changed = Signal;
        _running = Task.Run(RunAsync);
        Signal();
    }

    /// <summary>There may be something to do. Cheap.</summary>
    public void Signal()
    {
        if (Interlocked.Exchange(ref _signalled, 1) == 0)
            _work.Release();
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running;
        await _trimTimer.DisposeAsync();
        _stop.Dispose();
        // Not the semaphore: the writer closes after this and still signals, to nobody.
    }

    /// <summary>One round of everything.</summary>
    internal async Task TidyAsync()
    {
        await RemoveBodiesAsync();
        await RemoveSegmentsAsync();
        while (!_stop.IsCancellationRequested && NextToCompact() is { } segment)
        {
            QueueResult result = await LogCompaction.RunAsync(segment, _state, _writer);
            if (!result.IsOk || segment.LiveRecords > 0)
            {
                // It stays as it is until the next start.
                _uncompactable.Add(segment.Number);
                LogQueueLog.HousekeepingFailed(_logger, $"compaction of segment {segment.Number}", result.Message ?? "not every record was found");
            }

            await RemoveSegmentsAsync();
        }
    }

    private async Task RunAsync()
    {
        try
        {
            while (true)
            {
                await _work.WaitAsync(_stop.Token);
                // Much dies at a time; one look a second is enough.
                await Task.Delay(s_pause, _time, _stop.Token);
                Volatile.Write(ref _signalled, 0);
                try
                {
                    await TidyAsync();
                }
                catch (IOException e)
                {
                    LogQueueLog.HousekeepingFailed(_logger, "tidying", e.Message);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Stopped.
        }
    }

    private async Task RemoveBodiesAsync()
    {
        long[] dead;
        lock (_state.Gate)
        {
            dead = [.. _state.DeadBodies];
            _state.DeadBodies.Clear();
        }

        if (dead.Length == 0) return;
        if (!(await _writer.WriteAsync(LogUnit.Barrier())).IsOk)
        {
            lock (_state.Gate) _state.DeadBodies.AddRange(dead);
            return;
        }

        foreach (long number in dead)
            _bodies.Remove(number);
    }

    private async Task RemoveSegmentsAsync()
    {
        while (true)
        {
            List<LogSegment> dead;
            lock (_state.Gate)
                dead = [.. _state.Segments.Values.Where(static segment => segment.IsNeedless)];
            if (dead.Count == 0 || !(await _writer.WriteAsync(LogUnit.Barrier())).IsOk)
                return;
            foreach (LogSegment segment in dead)
                _files.Delete(LogNames.Segment(segment.Number));
            _files.SyncFolder("");
            lock (_state.Gate)
            {
                foreach (LogSegment segment in dead)
                    _state.Forget(segment);
            }

            foreach (LogSegment segment in dead)
                segment.File.Dispose();
        }
    }

    private LogSegment? NextToCompact()
    {
        lock (_state.Gate)
        {
            LogSegment? waiting = null;
            int count = 0;
            foreach (LogSegment segment in _state.Segments.Values)
            {
                if (!segment.IsSealed || _uncompactable.Contains(segment.Number)) continue;
                if (segment.LiveRecords == 0)
                {
                    if (segment.Buries.Count == 0) continue;
                    count++;
                    waiting ??= segment;
                }
                else if (segment.IsAbandoned || segment.LiveBytes * WorthwhileShare < segment.Length)
                {
                    return segment;
                }
            }

            return count > MostWaiting ? waiting : null;
        }
    }
}

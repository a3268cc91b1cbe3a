namespace Posthouse.Server.Delivering.Local;

/// <summary>
/// Threads for calls that wait for the disk. fsync(2) blocks its thread for milliseconds; on the thread pool that would
/// hold up every session. The dispatcher's limits bound how much waits here. The queue is a plain one under a monitor,
/// which lets idle threads sleep: collections made for short waits spin first, and spun away a third of a delivery's CPU.
/// </summary>
/// <param name="count">Most threads: syncs of different files share the disk's work, so several are faster than one. Each is made when it is needed.</param>
internal sealed class FileThreads(int count) : IDisposable
{
    private readonly Queue<Action> _work = [];
    private int _threads;
    private int _idle;
    private bool _ended;

    /// <summary>Runs <paramref name="work"/> on one of the threads, and there goes on whatever waits for it: another thread would cost more than what is left to do.</summary>
    internal Task<T> RunAsync<T>(Func<T> work)
    {
        TaskCompletionSource<T> done = new();
        lock (_work)
        {
            ObjectDisposedException.ThrowIf(_ended, this);
            _work.Enqueue(() =>
            {
                try
                {
                    done.SetResult(work());
                }
                catch (Exception exception)
                {
                    done.SetException(exception);
                }
            });
            if (_idle >= _work.Count) Monitor.Pulse(_work);
            else if (_threads < count)
            {
                _threads++;
                new Thread(Run, 256 * 1024) { IsBackground = true, Name = "delivery" }.Start();
            }
        }
        return done.Task;
    }

    /// <summary>Lets the threads end when their work is done.</summary>
    public void Dispose()
    {
        lock (_work)
        {
            _ended = true;
            Monitor.PulseAll(_work);
        }
    }

    private void Run()
    {
        while (true)
        {
            Action? work;
            lock (_work)
            {
                while (!_work.TryDequeue(out work))
                {
                    if (_ended) return;
                    _idle++;
                    Monitor.Wait(_work);
                    _idle--;
                }
            }
            work();
        }
    }
}

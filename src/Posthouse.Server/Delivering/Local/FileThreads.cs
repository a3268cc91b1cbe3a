using System.Collections.Concurrent;

namespace Posthouse.Server.Delivering.Local;

/// <summary>
/// Threads for calls that wait for the disk. fsync(2) blocks its thread for milliseconds; on the thread pool that would
/// hold up every session. The dispatcher's limits bound how much waits here.
/// </summary>
internal sealed class FileThreads : IDisposable
{
    private readonly BlockingCollection<Action> _work = [];

    /// <param name="count">Number of threads: syncs of different files share the disk's work, so several are faster than one.</param>
    internal FileThreads(int count)
    {
        for (int i = 0; i < count; i++)
            new Thread(Run, 256 * 1024) { IsBackground = true, Name = "delivery" }.Start();
    }

    /// <summary>Runs <paramref name="work"/> on one of the threads.</summary>
    internal Task<T> RunAsync<T>(Func<T> work)
    {
        TaskCompletionSource<T> done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _work.Add(() =>
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
        return done.Task;
    }

    /// <summary>Lets the threads end when their work is done.</summary>
    public void Dispose() => _work.CompleteAdding();

    private void Run()
    {
        foreach (Action work in _work.GetConsumingEnumerable()) work();
    }
}

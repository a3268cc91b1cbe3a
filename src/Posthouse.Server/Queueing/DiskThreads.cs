using System.Threading.Channels;

namespace Posthouse.Server.Queueing;

/// <summary>
/// A few threads for calls that block on the disk. On the thread pool a hundred commits waiting for their sync would leave
/// nobody to serve the sessions. Work that does not find room waits.
/// </summary>
internal sealed class DiskThreads : IAsyncDisposable
{
    private const int BacklogPerThread = 64;
    private readonly Channel<Action> _work;
    private readonly Task[] _threads;

    public DiskThreads(int count)
    {
        _work = Channel.CreateBounded<Action>(count * BacklogPerThread);
        _threads = [.. Enumerable.Range(0, count).Select(_ => Task.Factory.StartNew(
            Work, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default))];
    }

    /// <summary>Runs <paramref name="call"/> on one of the threads; what it throws comes out of the task.</summary>
    public async ValueTask<T> RunAsync<T>(Func<T> call)
    {
        TaskCompletionSource<T> done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        await _work.Writer.WriteAsync(() =>
        {
            try
            {
                done.SetResult(call());
            }
            catch (Exception exception)
            {
                done.SetException(exception);
            }
        });
        return await done.Task;
    }

    public async ValueTask DisposeAsync()
    {
        _work.Writer.TryComplete();
        await Task.WhenAll(_threads);
    }

    private void Work()
    {
        // Blocking on purpose: this thread has nothing else to do.
        while (_work.Reader.WaitToReadAsync().AsTask().GetAwaiter().GetResult())
        {
            while (_work.Reader.TryRead(out Action? call))
                call();
        }
    }
}

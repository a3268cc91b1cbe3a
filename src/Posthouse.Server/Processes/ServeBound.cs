namespace Posthouse.Server.Processes;

/// <summary>Serves so many questions of one kind at a time, and no more.</summary>
internal sealed class ServeBound(int bound)
{
    private int _running;
    private long _asked;

    /// <summary>How many there were.</summary>
    internal long Asked => Interlocked.Read(ref _asked);

    /// <summary>The answer; null when too many are being answered.</summary>
    internal async ValueTask<ChannelAnswer?> ServeAsync(Func<ValueTask<ChannelAnswer>> serve)
    {
        Interlocked.Increment(ref _asked);
        try
        {
            return Interlocked.Increment(ref _running) <= bound ? await serve() : null;
        }
        finally
        {
            Interlocked.Decrement(ref _running);
        }
    }
}

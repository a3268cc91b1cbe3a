using Microsoft.Extensions.Logging;
using Posthouse.Server.Native;

namespace Posthouse.Server.Queueing;

/// <summary>
/// Watches the file system of the spool. It is short when less than 5 % of its bytes or inodes is left; on big disks 5 % would
/// be a lot of good room, so 1 GiB and 100,000 inodes are always enough, and on small ones 64 MiB and 1,000 inodes never are too much to ask.
/// </summary>
public sealed class SpoolSpace(string directory, TimeProvider time, ILogger logger, Func<string, FileSystemSpace?>? measure = null)
{
    private const long LeastBytes = 64 << 20;
    private const long EnoughBytes = 1 << 30;
    private const long LeastInodes = 1_000;
    private const long EnoughInodes = 100_000;

    private readonly Func<string, FileSystemSpace?> _measure = measure ?? FileSystemSpace.Of;
    private readonly Lock _lock = new();
    private long _lastLook = time.GetTimestamp() - 2 * time.TimestampFrequency;
    private volatile bool _isShort;

    /// <summary>Whether new mail should be refused. Looks at most once a second.</summary>
    public bool IsShort
    {
        get
        {
            if (time.GetElapsedTime(Volatile.Read(ref _lastLook)) >= TimeSpan.FromSeconds(1) && _lock.TryEnter())
            {
                try
                {
                    Look();
                }
                finally
                {
                    _lock.Exit();
                }
            }

            return _isShort;
        }
    }

    private void Look()
    {
        Volatile.Write(ref _lastLook, time.GetTimestamp());
        // A spool that cannot even be asked will not take mail either.
        string? what = _measure(directory) is { } space ? Missing(space) : "everything: the system does not say how much is left";
        if (what is not null && !_isShort)
            QueueingLog.SpaceShort(logger, what);
        else if (what is null && _isShort)
            QueueingLog.SpaceBack(logger);
        _isShort = what is not null;
    }

    private static string? Missing(FileSystemSpace space)
    {
        if (space.AvailableBytes < Threshold(space.TotalBytes, LeastBytes, EnoughBytes))
            return "space";
        return space.TotalFiles > 0 && space.AvailableFiles < Threshold(space.TotalFiles, LeastInodes, EnoughInodes) ? "inodes" : null;
    }

    private static long Threshold(long total, long least, long enough) => Math.Clamp(total / 20, least, enough);
}

namespace Posthouse.Server.Native;

/// <summary>How many files, connections included, this process may have open.</summary>
public static unsafe class OpenFiles
{
    private const int OpenFilesLimit = 7;

    /// <summary>How many more it may open than it has now; <see cref="int.MaxValue"/> where there is no limit.</summary>
    public static int Left
    {
        get
        {
            Libc.ResourceLimit limit;
            if (Libc.getrlimit(OpenFilesLimit, &limit) != 0) return int.MaxValue;
            long used = Directory.Exists("/proc/self/fd") ? Directory.EnumerateFileSystemEntries("/proc/self/fd").LongCount() : 64;
            return (int)Math.Max(0, (long)Math.Min(limit.Soft, int.MaxValue) - used);
        }
    }
}

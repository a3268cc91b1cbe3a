namespace Posthouse.Server.Native;

/// <summary>The limits of this process that matter to a server.</summary>
public static unsafe class ResourceLimits
{
    private const int OpenFiles = 7;

    /// <summary>Raises the number of files this process may have open to what the administrator allows; answers that number.</summary>
    public static long RaiseOpenFiles()
    {
        Libc.ResourceLimit limit = default;
        if (Libc.getrlimit(OpenFiles, &limit) != 0) return 1024;
        limit.Soft = limit.Hard;
        if (Libc.setrlimit(OpenFiles, &limit) != 0) Libc.getrlimit(OpenFiles, &limit);
        return (long)Math.Min(limit.Soft, long.MaxValue);
    }
}

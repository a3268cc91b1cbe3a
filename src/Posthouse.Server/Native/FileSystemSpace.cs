namespace Posthouse.Server.Native;

/// <summary>Room on a file system for ordinary users: bytes and files (0 of 0 files where the file system does not count them).</summary>
public readonly record struct FileSystemSpace(long AvailableBytes, long TotalBytes, long AvailableFiles, long TotalFiles)
{
    /// <summary>The room where <paramref name="path"/> is; null if the system does not say.</summary>
    public static unsafe FileSystemSpace? Of(string path)
    {
        Libc.StatVfs status = default;
        if (Libc.statvfs(path, &status) != 0) return null;
        return new(
            (long)(status.AvailableBlocks * status.FragmentSize), (long)(status.Blocks * status.FragmentSize),
            (long)status.AvailableFiles, (long)status.Files);
    }
}

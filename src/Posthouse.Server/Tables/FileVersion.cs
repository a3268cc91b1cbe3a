namespace Posthouse.Server.Tables;

/// <summary>What tells one state of a file from another: times of birth and change, in ticks, and size in bytes. A replaced file has another birth.</summary>
internal readonly record struct FileVersion(long Created, long Modified, long Size)
{
    /// <summary>Reads a file's; false when there is none or it cannot be known.</summary>
    public static bool TryRead(string path, out FileVersion version)
    {
        version = default;
        try
        {
            FileInfo file = new(path);
            if (!file.Exists)
                return false;
            version = new(file.CreationTimeUtc.Ticks, file.LastWriteTimeUtc.Ticks, file.Length);
            return true;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}

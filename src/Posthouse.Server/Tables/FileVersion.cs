using Microsoft.Win32.SafeHandles;
using Posthouse.Server.Native;

namespace Posthouse.Server.Tables;

/// <summary>What tells one state of a file from another: its number, times of birth and change, in ticks, and size in bytes. A replaced file has another number or birth.</summary>
public readonly record struct FileVersion(ulong Inode, long Created, long Modified, long Size)
{
    /// <summary>Reads that of an open file.</summary>
    /// <exception cref="IOException">It cannot be known.</exception>
    /// <exception cref="UnauthorizedAccessException">It cannot be known.</exception>
    public static FileVersion Of(SafeFileHandle file)
    {
        int error = FileDescriptor.Status(file, out FileStatus status);
        return error == 0
            ? new(status.Inode, File.GetCreationTimeUtc(file).Ticks, File.GetLastWriteTimeUtc(file).Ticks, status.Size)
            : throw new IOException(Errno.Text(error));
    }
}

using System.Runtime.InteropServices;

namespace Posthouse.Server.Native;

/// <summary>What a file system has and has left, of bytes and of inodes, for users other than root. Inodes are 0 where the file system has no fixed number.</summary>
public readonly partial record struct FileSystemRoom(ulong TotalBytes, ulong FreeBytes, ulong TotalInodes, ulong FreeInodes)
{
    /// <summary>Asks for the file system that holds <paramref name="path"/>.</summary>
    /// <exception cref="IOException">The system cannot say.</exception>
    public static FileSystemRoom Of(string path)
    {
        if (StatVfs(path, out StatVfsResult result) != 0)
            throw new IOException($"statvfs of {path}: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
        return new(result.Blocks * result.FragmentSize, result.BlocksAvailable * result.FragmentSize, result.Files, result.FilesAvailable);
    }

    // struct statvfs of Linux on 64-bit machines, the same for glibc and musl.
    [StructLayout(LayoutKind.Sequential)]
    private unsafe struct StatVfsResult
    {
        public ulong BlockSize;
        public ulong FragmentSize;
        public ulong Blocks;
        public ulong BlocksFree;
        public ulong BlocksAvailable;
        public ulong Files;
        public ulong FilesFree;
        public ulong FilesAvailable;
        public ulong FileSystemId;
        public ulong Flags;
        public ulong NameMax;
        private fixed int _spare[6];
    }

    [LibraryImport("libc", EntryPoint = "statvfs", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int StatVfs(string path, out StatVfsResult result);
}

using Microsoft.Win32.SafeHandles;
using Posthouse.Server.Native;

namespace Posthouse.Server.Queueing.Log;

/// <summary>The real directory, locked against other processes while it is open.</summary>
internal sealed class LogFiles : ILogFiles
{
    private const uint FileMode = 0x180; // 0600
    private const uint FolderMode = 0x1c0; // 0700

    private readonly string _directory;
    private readonly SafeFileHandle _lock;

    /// <exception cref="IOException">The directory cannot be made, or another process has it.</exception>
    public LogFiles(string directory)
    {
        _directory = directory;
        foreach (string folder in (string[])["", LogNames.Bodies, LogNames.Quarantine])
        {
            string path = Path.Combine(directory, folder);
            if (Directory.Exists(path)) continue;
            Directory.CreateDirectory(path);
            Check(FileDescriptor.ChangeMode(path, FolderMode), path);
        }

        _lock = OpenHandle("lock", OpenFlags.Create);
        if (FileLock.TryLock(_lock) != 0)
        {
            _lock.Dispose();
            throw new IOException($"the spool {directory} is in use by another process");
        }

        SyncFolder("");
    }

    public IReadOnlyList<string> List(string folder) =>
        [.. new DirectoryInfo(Path.Combine(_directory, folder)).EnumerateFiles().Select(static file => file.Name)];

    public ILogFile Create(string path) => new LogFile(OpenHandle(path, OpenFlags.Create | OpenFlags.Exclusive));

    public ILogFile Open(string path) => new LogFile(OpenHandle(path, 0));

    public void Delete(string path)
    {
        try
        {
            File.Delete(Path.Combine(_directory, path));
        }
        catch (UnauthorizedAccessException e)
        {
            throw new IOException(e.Message, e);
        }
    }

    public void Move(string from, string to) => File.Move(Path.Combine(_directory, from), Path.Combine(_directory, to), overwrite: true);

    public void SyncFolder(string folder) => Check(FileDescriptor.SyncDirectory(Path.Combine(_directory, folder)), folder);

    public void Dispose()
    {
        if (!_lock.IsClosed) FileLock.Unlock(_lock);
        _lock.Dispose();
    }

    private SafeFileHandle OpenHandle(string path, int flags)
    {
        Check(FileDescriptor.Open(Path.Combine(_directory, path), OpenFlags.ReadWrite | flags, FileMode, out SafeFileHandle? handle), path);
        return handle!;
    }

    private static void Check(int error, string what)
    {
        if (error != 0) throw new IOException($"{what}: {Errno.Text(error)}", error);
    }

    private sealed class LogFile(SafeFileHandle handle) : ILogFile
    {
        public long Length => RandomAccess.GetLength(handle);

        public int Read(Span<byte> buffer, long offset)
        {
            int filled = 0;
            while (filled < buffer.Length)
            {
                int count = RandomAccess.Read(handle, buffer[filled..], offset + filled);
                if (count == 0) break;
                filled += count;
            }

            return filled;
        }

        public void Write(IReadOnlyList<ReadOnlyMemory<byte>> pieces, long offset)
        {
            if (pieces.Count == 1)
                RandomAccess.Write(handle, pieces[0].Span, offset);
            else
                RandomAccess.Write(handle, pieces, offset);
        }

        public void Sync()
        {
            bool held = false;
            try
            {
                handle.DangerousAddRef(ref held);
                Check(FileDescriptor.SyncData(handle), "sync");
            }
            finally
            {
                if (held) handle.DangerousRelease();
            }
        }

        public void Truncate(long length) => RandomAccess.SetLength(handle, length);

        public void Dispose() => handle.Dispose();
    }
}

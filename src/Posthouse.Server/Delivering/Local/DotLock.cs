using Microsoft.Win32.SafeHandles;
using Posthouse.Server.Native;

namespace Posthouse.Server.Delivering.Local;

/// <summary>The file <c>PATH.lock</c> by which mail programs exclude each other. Disposing removes it.</summary>
internal sealed unsafe class DotLock : IDisposable
{
    private const long StaleSeconds = 600;

    private readonly byte[] _path;

    private DotLock(string path) => _path = PathBytes.Of(path);

    /// <summary>
    /// Takes the lock of <paramref name="path"/> before <paramref name="patience"/> has passed since
    /// <paramref name="start"/>. True with no lock where the directory is not ours to write: the lock of the file has to do.
    /// </summary>
    internal static bool TryTake(string path, FileContext context, long start, TimeSpan patience, TimeSpan pause, out DotLock? taken)
    {
        taken = null;
        string name = path + ".lock";
        while (true)
        {
            int error = FileDescriptor.Open(name, OpenFlags.WriteOnly | OpenFlags.Create | OpenFlags.Exclusive, 0x180, out SafeFileHandle? file);
            if (error == 0)
            {
                using (file) BlockingDescriptor.WriteAll((int)file!.DangerousGetHandle(), "0\n"u8);
                taken = new(name);
                return true;
            }
            if (error != Errno.Exists) return true;
            if (FileDescriptor.Status(name, out FileStatus status, follow: false) == 0
                && context.Time.GetUtcNow().ToUnixTimeSeconds() - status.Modified > StaleSeconds)
            {
                fixed (byte* stale = PathBytes.Of(name))
                    if (Libc.unlink(stale) == 0) continue;
            }
            if (context.Time.GetElapsedTime(start) > patience) return false;
            Thread.Sleep(pause);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        fixed (byte* path = _path) Libc.unlink(path);
    }
}

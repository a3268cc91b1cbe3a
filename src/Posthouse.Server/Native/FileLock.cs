using Microsoft.Win32.SafeHandles;

namespace Posthouse.Server.Native;

/// <summary>Advisory locks on whole files. None waits: the caller decides how long to try.</summary>
public static unsafe class FileLock
{
    private const int LockExclusive = 2;
    private const int LockNonBlocking = 4;
    private const int LockRemove = 8;
    private const int OpenFileSetLock = 37;
    private const short WriteLock = 1;

    /// <summary>flock(2): 0, or <see cref="Errno.Again"/> when somebody holds it. Ends with the last descriptor.</summary>
    public static int TryLock(SafeFileHandle file) =>
        Libc.flock((int)file.DangerousGetHandle(), LockExclusive | LockNonBlocking) == 0 ? 0 : Errno.Last;

    /// <summary>
    /// Gives back the lock of <see cref="TryLock"/>, whoever has copies of the descriptor: until a process that is being started has become its
    /// program, it has one of each.
    /// </summary>
    public static void Unlock(SafeFileHandle file) => Libc.flock((int)file.DangerousGetHandle(), LockRemove);

    /// <summary>
    /// A record lock on the whole file, as other mail programs take it with fcntl(2) or lockf(3): 0, or
    /// <see cref="Errno.Again"/> when somebody holds it. It belongs to the open file (not, as the classic kind, to the
    /// process), so that threads of one server exclude each other too.
    /// </summary>
    public static int TryLockRecords(SafeFileHandle file)
    {
        Libc.RecordLock request = new() { Type = WriteLock };
        if (Libc.fcntl((int)file.DangerousGetHandle(), OpenFileSetLock, (nint)(&request)) == 0) return 0;
        return Errno.Last == Errno.Access ? Errno.Again : Errno.Last;
    }
}

using Microsoft.Win32.SafeHandles;

namespace Posthouse.Server.Native;

/// <summary>
/// open(2) and its kin. Each call answers 0 or an error number (<see cref="Errno"/>) and never throws for what a file
/// system may say. Interrupted calls are repeated.
/// </summary>
public static unsafe class FileDescriptor
{
    private const int EmptyPath = 0x1000;
    private const int NoFollowLink = 0x100;
    private const int CurrentDirectory = -100;
    private const uint BasicStatus = 0x7ff;

    /// <summary>Opens a file; close-on-exec is always set.</summary>
    public static int Open(string path, int flags, uint mode, out SafeFileHandle? file)
    {
        int descriptor;
        fixed (byte* name = PathBytes.Of(path))
        {
            do descriptor = Libc.open(name, flags | OpenFlags.CloseOnExec, mode);
            while (descriptor < 0 && Errno.Last == Errno.Interrupted);
        }
        file = descriptor < 0 ? null : new SafeFileHandle(descriptor, ownsHandle: true);
        return descriptor < 0 ? Errno.Last : 0;
    }

    /// <summary>Opens <paramref name="name"/> relative to an open directory.</summary>
    public static int OpenAt(SafeFileHandle directory, string name, int flags, uint mode, out SafeFileHandle? file)
    {
        int descriptor;
        do descriptor = Libc.openat((int)directory.DangerousGetHandle(), name, flags | OpenFlags.CloseOnExec, mode);
        while (descriptor < 0 && Errno.Last == Errno.Interrupted);
        file = descriptor < 0 ? null : new SafeFileHandle(descriptor, ownsHandle: true);
        return descriptor < 0 ? Errno.Last : 0;
    }

    /// <summary>The status of an open file.</summary>
    public static int Status(SafeFileHandle file, out FileStatus status)
    {
        byte empty = 0;
        return Stat((int)file.DangerousGetHandle(), &empty, EmptyPath, out status);
    }

    /// <summary>The status of a path; of the link itself unless <paramref name="follow"/>.</summary>
    public static int Status(string path, out FileStatus status, bool follow = true)
    {
        fixed (byte* name = PathBytes.Of(path))
            return Stat(CurrentDirectory, name, follow ? 0 : NoFollowLink, out status);
    }

    /// <summary>The status of <paramref name="name"/> in an open directory; of the link itself if it is one.</summary>
    public static int StatusAt(SafeFileHandle directory, string name, out FileStatus status)
    {
        fixed (byte* path = PathBytes.Of(name))
            return Stat((int)directory.DangerousGetHandle(), path, NoFollowLink, out status);
    }

    /// <summary>Renames within an open directory; what has the new name is replaced.</summary>
    public static int RenameAt(SafeFileHandle directory, string from, string to)
    {
        int descriptor = (int)directory.DangerousGetHandle();
        fixed (byte* old = PathBytes.Of(from), changed = PathBytes.Of(to))
            return Libc.renameat(descriptor, old, descriptor, changed) == 0 ? 0 : Errno.Last;
    }

    /// <summary>Removes <paramref name="name"/>, which is no directory, from an open directory.</summary>
    public static int RemoveAt(SafeFileHandle directory, string name)
    {
        fixed (byte* path = PathBytes.Of(name))
            return Libc.unlinkat((int)directory.DangerousGetHandle(), path, 0) == 0 ? 0 : Errno.Last;
    }

    /// <summary>Makes a directory.</summary>
    public static int MakeDirectory(string path, uint mode)
    {
        fixed (byte* name = PathBytes.Of(path)) return Libc.mkdir(name, mode) == 0 ? 0 : Errno.Last;
    }

    /// <summary>Puts everything of the file system of an open file on stable storage: for who may not open its directory.</summary>
    public static int SyncFileSystem(SafeFileHandle file) => Libc.syncfs((int)file.DangerousGetHandle()) == 0 ? 0 : Errno.Last;

    /// <summary>Puts a file's content and what is needed to find it on stable storage.</summary>
    public static int Sync(SafeFileHandle file) => Repeat(static descriptor => Libc.fsync(descriptor), file);

    /// <summary>As <see cref="Sync"/>, without times.</summary>
    public static int SyncData(SafeFileHandle file) => Repeat(static descriptor => Libc.fdatasync(descriptor), file);

    /// <summary>Puts a directory's entries on stable storage.</summary>
    public static int SyncDirectory(string path)
    {
        int error = Open(path, OpenFlags.ReadOnly | OpenFlags.Directory, 0, out SafeFileHandle? directory);
        if (error != 0) return error;
        using (directory) return Sync(directory!);
    }

    /// <summary>Gives an open file to a user.</summary>
    public static int ChangeOwner(SafeFileHandle file, uint uid, uint gid) =>
        Libc.fchown((int)file.DangerousGetHandle(), uid, gid) == 0 ? 0 : Errno.Last;

    /// <summary>Sets the permissions of an open file.</summary>
    public static int ChangeMode(SafeFileHandle file, uint mode) =>
        Libc.fchmod((int)file.DangerousGetHandle(), mode) == 0 ? 0 : Errno.Last;

    /// <summary>Sets the permissions of a path.</summary>
    public static int ChangeMode(string path, uint mode) => Libc.chmod(path, mode) == 0 ? 0 : Errno.Last;

    /// <summary>Gives a path to a user.</summary>
    public static int ChangeOwner(string path, uint uid, uint gid) => Libc.chown(path, uid, gid) == 0 ? 0 : Errno.Last;

    private static int Stat(int directory, byte* path, int flags, out FileStatus status)
    {
        Libc.StatX raw = default;
        if (Libc.statx(directory, path, flags, BasicStatus, &raw) != 0)
        {
            status = default;
            return Errno.Last;
        }
        status = new(raw.Mode, raw.Uid, raw.Gid, raw.Links, raw.Inode, (ulong)raw.DeviceMajor << 32 | raw.DeviceMinor, (long)raw.Size, raw.ModifiedSeconds) { ModifiedNanoseconds = raw.ModifiedNanoseconds };
        return 0;
    }

    private static int Repeat(Func<int, int> call, SafeFileHandle file)
    {
        int result;
        do result = call((int)file.DangerousGetHandle());
        while (result != 0 && Errno.Last == Errno.Interrupted);
        return result == 0 ? 0 : Errno.Last;
    }
}

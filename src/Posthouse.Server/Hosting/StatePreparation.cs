using System.Globalization;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;
using Posthouse.Server.Model;
using Posthouse.Server.Native;

namespace Posthouse.Server.Hosting;

/// <summary>
/// Makes a state directory ready: the directory itself is whose the parent is, the spool the engine's alone. A spool that
/// another user has worked on (an older version, or another <c>--users</c>) is handed over file by file, through descriptors that follow no link, since
/// its old owner may not be trusted with what root does there.
/// </summary>
internal sealed class StatePreparation(StateDirectory state, UserAccount? engine, ILogger logger)
{
    private const uint OwnerOnly = 0x1C0; // 0700
    private const int MaxDepth = 8;

    private static readonly HashSet<string> s_ours = new(StringComparer.Ordinal) { "spool", "offline", "empty", "lock", "smtp.sock", "control.sock" };

    /// <summary>The directory in it that stays empty: the root of processes that need no file.</summary>
    internal static string EmptyOf(StateDirectory state) => Path.Combine(state.Path, "empty");

    /// <summary>Prepares it; the fault says what stands in the way.</summary>
    internal Fault? Prepare()
    {
        try
        {
            Directory.CreateDirectory(state.Path);
            if (engine is not null && Secure() is { } why) return Fail(why);
            Directory.CreateDirectory(state.Spool, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            if (engine is not null) Directory.CreateDirectory(EmptyOf(state), UnixFileMode.UserRead | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return Fail(error.Message);
        }

        if (engine is null) return null;
        int error1 = FileDescriptor.Open(state.Spool, OpenFlags.ReadOnly | OpenFlags.Directory | OpenFlags.NoFollow, 0, out SafeFileHandle? spool);
        if (error1 != 0) return Fail($"{state.Spool}: {Errno.Text(error1)}");
        using (spool)
        {
            if (FileDescriptor.Status(spool!, out FileStatus status) is not 0 and int error2) return Fail($"{state.Spool}: {Errno.Text(error2)}");
            if (status.Uid == engine.Uid) return null;
            // While it is root's and closed to others, nobody can put anything into it.
            Take(spool!, 0, 0);
            int changed = HandOver(spool!, 0);
            Take(spool!, engine.Uid, engine.Gid);
            if (changed > 0) ParentLog.SpoolHandedOver(logger, changed, engine.Name);
        }
        return null;
    }

    // Whoever may change it could have root follow links of theirs, or lock the keys process into a directory of theirs.
    // One that holds nothing but our state was meant for us: it is taken. Another is somebody's, and stays as it is.
    private string? Secure()
    {
        int error = FileDescriptor.Open(state.Path, OpenFlags.ReadOnly | OpenFlags.Directory, 0, out SafeFileHandle? directory);
        if (error != 0) return Errno.Text(error);
        using (directory)
        {
            if (FileDescriptor.Status(directory!, out FileStatus status) is not 0 and int unknown) return Errno.Text(unknown);
            if (status.Uid == SystemAccounts.EffectiveUser && !status.IsWritableByOthers) return Empty();
            string whose = status.Uid == SystemAccounts.EffectiveUser ? "others may write to it" : $"it belongs to user {status.Uid}";
            if (status.IsSticky || Directory.EnumerateFileSystemEntries(state.Path).Any(static entry => !s_ours.Contains(Path.GetFileName(entry)))) return $"{whose}, and it holds more than a server's state";
            FileDescriptor.ChangeOwner(directory!, SystemAccounts.EffectiveUser, SystemAccounts.EffectiveGroup);
            FileDescriptor.ChangeMode(directory!, (status.Permissions | OwnerOnly) & ~0x12u);
            ParentLog.StateTaken(logger, state.Path, whose);
            return Empty();
        }
    }

    private string? Empty()
    {
        string empty = EmptyOf(state);
        return FileDescriptor.Status(empty, out FileStatus status, follow: false) == 0 && (!status.IsDirectory || status.Uid != SystemAccounts.EffectiveUser || status.IsWritableByOthers)
            ? $"{empty} is not a directory of its own" : null;
    }

    private int HandOver(SafeFileHandle directory, int depth)
    {
        int changed = 0;
        string path = string.Create(CultureInfo.InvariantCulture, $"/proc/self/fd/{(int)directory.DangerousGetHandle()}");
        foreach (string entry in Directory.EnumerateFileSystemEntries(path))
        {
            string name = Path.GetFileName(entry);
            if (FileDescriptor.OpenAt(directory, name, OpenFlags.ReadOnly | OpenFlags.NoFollow | OpenFlags.NonBlocking, 0, out SafeFileHandle? file) != 0)
            {
                ParentLog.SpoolEntryLeft(logger, name);
                continue;
            }
            using (file)
            {
                FileDescriptor.Status(file!, out FileStatus status);
                if (status.IsDirectory && depth < MaxDepth) changed += HandOver(file!, depth + 1);
                else if (!status.IsRegular || status.Links != 1)
                {
                    ParentLog.SpoolEntryLeft(logger, name);
                    continue;
                }
                FileDescriptor.ChangeOwner(file!, engine!.Uid, engine.Gid);
                changed++;
            }
        }
        return changed;
    }

    private static void Take(SafeFileHandle directory, uint uid, uint gid)
    {
        FileDescriptor.ChangeOwner(directory, uid, gid);
        FileDescriptor.ChangeMode(directory, OwnerOnly);
    }

    private Fault Fail(string why) => Fault.Permanent("no state", $"cannot use the state directory {state.Path}: {why}");
}

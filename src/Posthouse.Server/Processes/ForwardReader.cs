using System.Text;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;
using Posthouse.Server.Model;
using Posthouse.Server.Native;

namespace Posthouse.Server.Processes;

/// <summary>
/// Reads .forward files, possibly as root: so nothing may be read that the user did not put there. The home directory is
/// opened once and the file relative to it, so that no component can be exchanged meanwhile (CVE-2015-7687); links, soft
/// or hard, and files or directories that others may write to are passed over with a line in the log.
/// </summary>
public static class ForwardReader
{
    /// <summary>The size from which a .forward is too large, in bytes.</summary>
    public const int SizeBound = 4096;

    /// <summary>As <see cref="Read(UserAccount, ILogger)"/>, for root: what the user, with these supplementary groups, could not open is not opened.</summary>
    public static ForwardFile ReadAsOwner(UserAccount account, ReadOnlySpan<uint> groups, ILogger logger)
    {
        if (!ThreadIdentity.CanChange || account.Uid == 0) return Read(account, logger);
        ForwardFile? file = null;
        return ThreadIdentity.TryRun(account.Uid, account.Gid, groups, () => file = Read(account, logger))
            ? file! : Fail($"cannot become {account.Name}");
    }

    /// <summary>Reads the .forward file of <paramref name="account"/>, as whoever this thread is.</summary>
    public static ForwardFile Read(UserAccount account, ILogger logger)
    {
        if (!account.Home.StartsWith('/')) return ForwardFile.Absent;
        int error = FileDescriptor.Open(account.Home, OpenFlags.ReadOnly | OpenFlags.Directory, 0, out SafeFileHandle? home);
        if (error is Errno.NoEntry or Errno.NotDirectory) return ForwardFile.Absent;
        if (error != 0) return Fail($"cannot open {account.Home}: {Errno.Text(error)}");
        using (home)
        {
            error = FileDescriptor.Status(home!, out FileStatus directory);
            if (error != 0) return Fail($"cannot examine {account.Home}: {Errno.Text(error)}");
            // The sticky bit on a home is the traditional sign of a user at work on the mail setup: come back later.
            if (directory.IsSticky) return Fail($"{account.Home} is sticky");
            error = FileDescriptor.OpenAt(home!, ".forward", OpenFlags.ReadOnly | OpenFlags.NoFollow | OpenFlags.NonBlocking, 0, out SafeFileHandle? file);
            if (error == Errno.NoEntry) return ForwardFile.Absent;
            if (error == Errno.Loop) return PassOver(account, logger, "it is a symbolic link");
            if (error != 0) return Fail($"cannot open .forward of {account.Name}: {Errno.Text(error)}");
            using (file) return Read(account, directory, file!, logger);
        }
    }

    private static ForwardFile Read(UserAccount account, FileStatus directory, SafeFileHandle file, ILogger logger)
    {
        if (FileDescriptor.Status(file, out FileStatus status) is not 0 and int error) return Fail($"cannot examine .forward of {account.Name}: {Errno.Text(error)}");
        if ((directory.Uid != account.Uid && directory.Uid != 0) || directory.IsWritableByOthers) return PassOver(account, logger, "others may write to the directory");
        if (!status.IsRegular) return PassOver(account, logger, "it is no regular file");
        if (status.Uid != account.Uid) return PassOver(account, logger, "it belongs to another user");
        if (status.Links != 1) return PassOver(account, logger, "it has several links");
        if (status.IsWritableByOthers) return PassOver(account, logger, "others may write to it");
        if (status.Size >= SizeBound) return Fail($".forward of {account.Name} is too large");
        byte[] content = new byte[SizeBound];
        int length = 0;
        try
        {
            for (int read; length < content.Length && (read = RandomAccess.Read(file, content.AsSpan(length), length)) > 0; length += read) ;
        }
        catch (IOException exception)
        {
            return Fail($"cannot read .forward of {account.Name}: {exception.Message}");
        }
        if (length >= SizeBound) return Fail($".forward of {account.Name} is too large");
        return length == 0 ? ForwardFile.Absent : new(Encoding.UTF8.GetString(content, 0, length));
    }

    private static ForwardFile PassOver(UserAccount account, ILogger logger, string why)
    {
        ProcessesLog.UnsafeForward(logger, account.Name, why);
        return ForwardFile.Absent;
    }

    private static ForwardFile Fail(string detail) => new(null, Fault.Temporary("Temporary failure", detail));
}

using Microsoft.Win32.SafeHandles;
using Posthouse.Server.Model;
using Posthouse.Server.Native;

namespace Posthouse.Server.Delivering.Local;

/// <summary>The mailboxes of the system's users, one file each in a spool directory.</summary>
internal static class SystemMailbox
{
    private static readonly string s_spool = Directory.Exists("/var/mail") ? "/var/mail" : "/var/spool/mail";

    /// <summary>The path of a user's mailbox; null when the name cannot be a file's.</summary>
    internal static string? PathOf(string user) =>
        user.Length is 0 or > 200 || user[0] == '.' || user.Contains('/') || user.Any(char.IsControl) ? null : $"{s_spool}/{user}";

    /// <summary>
    /// Makes a user's mailbox if it is missing; for root, since only root may write to the spool directory. Nothing
    /// that is there is touched or followed: a link or file planted by somebody else is a failure.
    /// </summary>
    internal static DeliveryResult? Ensure(string path, UserAccount account)
    {
        int error = FileDescriptor.Status(path, out FileStatus status, follow: false);
        if (error == Errno.NoEntry)
        {
            error = FileDescriptor.Open(path, OpenFlags.WriteOnly | OpenFlags.Create | OpenFlags.Exclusive | OpenFlags.NoFollow, 0x180, out SafeFileHandle? file);
            if (error == 0)
            {
                using (file)
                {
                    error = FileDescriptor.ChangeOwner(file!, account.Uid, account.Gid);
                    if (error == 0) return null;
                }
            }
            else if (error == Errno.Exists) error = FileDescriptor.Status(path, out status, follow: false);
        }
        if (error != 0) return FileFailure.Of(error, "make", path);
        if (!status.IsRegular) return DeliveryResult.Temporary($"{path} is not a regular file", 2, 0);
        if (status.Uid != account.Uid) return DeliveryResult.Temporary($"{path} belongs to another user", 2, 0);
        return status.Links > 1 ? DeliveryResult.Temporary($"{path} has several links", 2, 0) : null;
    }
}

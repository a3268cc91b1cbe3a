using System.Runtime.InteropServices;

namespace Posthouse.Server.Native;

/// <summary>
/// Opening files as another user, for a process of root: the calling thread alone takes that user's groups and file
/// identity (setfsuid(2) and its kin as system calls, which act on one thread; the C library's own setgroups acts on all) and gives them
/// back. Meanwhile the kernel checks permissions as it does for that user, so that root's privileges open nothing, and a server of files that trusts no root is content.
/// </summary>
internal static unsafe class ThreadIdentity
{
    private static readonly bool s_arm = RuntimeInformation.ProcessArchitecture == Architecture.Arm64;

    private static nint SetFileUser => s_arm ? 151 : 122;

    private static nint SetFileGroup => s_arm ? 152 : 123;

    private static nint GetGroups => s_arm ? 158 : 115;

    private static nint SetGroups => s_arm ? 159 : 116;

    /// <summary>Whether files can be opened as others: this is root, on an architecture whose calls are known.</summary>
    internal static bool CanChange => SystemAccounts.IsRoot && RuntimeInformation.ProcessArchitecture is Architecture.X64 or Architecture.Arm64;

    /// <summary>
    /// Runs <paramref name="work"/>, which must stay on this thread, as a user's; false without having run it when the kernel refuses.
    /// A process that cannot get its own identity back ends at once: nothing it did from then on would be what it means.
    /// </summary>
    internal static bool TryRun(uint uid, uint gid, ReadOnlySpan<uint> groups, Action work)
    {
        uint ownUser = User, ownGroup = Group;
        uint[] ownGroups = Groups();
        fixed (uint* list = groups)
            if (Libc.syscall(SetGroups, groups.Length, (nint)list) != 0) return false;
        try
        {
            // The user last: with it go the privileges that the other calls need.
            Libc.syscall(SetFileGroup, (nint)gid, 0);
            Libc.syscall(SetFileUser, (nint)uid, 0);
            if (User != uid || Group != gid) return false;
            work();
            return true;
        }
        finally
        {
            Libc.syscall(SetFileUser, (nint)ownUser, 0);
            Libc.syscall(SetFileGroup, (nint)ownGroup, 0);
            fixed (uint* list = ownGroups)
                if (Libc.syscall(SetGroups, ownGroups.Length, (nint)list) != 0 || User != ownUser || Group != ownGroup)
                    Environment.FailFast("a thread could not get its identity back");
        }
    }

    /// <summary>The user as whom this thread opens files. Asking with an impossible number changes nothing.</summary>
    internal static uint User => (uint)Libc.syscall(SetFileUser, -1, 0);

    /// <summary>The group as which this thread opens files.</summary>
    internal static uint Group => (uint)Libc.syscall(SetFileGroup, -1, 0);

    /// <summary>The supplementary groups of this thread.</summary>
    internal static uint[] Groups()
    {
        nint count = Libc.syscall(GetGroups, 0, 0);
        uint[] groups = new uint[Math.Max(count, 0)];
        fixed (uint* list = groups) count = Libc.syscall(GetGroups, groups.Length, (nint)list);
        return groups[..(int)Math.Max(count, 0)];
    }
}

using System.Buffers;
using System.Runtime.InteropServices;
using Posthouse.Server.Model;

namespace Posthouse.Server.Native;

/// <summary>The system's users, by its name service (passwd file, LDAP, …). A call may block for as long as that does.</summary>
public static unsafe class SystemAccounts
{
    private const int LargestRecord = 1 << 20;

    /// <summary>The effective user of this process.</summary>
    public static uint EffectiveUser => Libc.geteuid();

    /// <summary>The effective group of this process.</summary>
    public static uint EffectiveGroup => Libc.getegid();

    /// <summary>Whether this process is root and so may take other identities.</summary>
    public static bool IsRoot => Libc.geteuid() == 0;

    /// <summary>Finds a user by name.</summary>
    /// <param name="name">The name; a name with NUL or a colon is no user's.</param>
    /// <param name="error">0, or the error number when the name service failed: then nothing is known about the user.</param>
    /// <returns>The account, or null if there is none or the name service failed.</returns>
    public static UserAccount? Find(string name, out int error)
    {
        error = 0;
        if (name.Length is 0 or > 256 || name.AsSpan().IndexOfAny('\0', ':', '\n') >= 0) return null;
        return Look(name, 0, out error);
    }

    /// <summary>Finds a user by number; as <see cref="Find(string, out int)"/>.</summary>
    public static UserAccount? Find(uint uid, out int error) => Look(null, uid, out error);

    /// <summary>The number of a group; null when there is none of that name, or the name service failed with <paramref name="error"/> (else 0).</summary>
    public static uint? FindGroup(string name, out int error)
    {
        error = 0;
        if (name.Length is 0 or > 256 || name.AsSpan().IndexOfAny('\0', ':', '\n') >= 0) return null;
        for (int length = 4096; ; length *= 4)
        {
            byte[] buffer = ArrayPool<byte>.Shared.Rent(length);
            try
            {
                Libc.Group record;
                Libc.Group* result = null;
                fixed (byte* memory = buffer) error = Libc.getgrnam_r(name, &record, memory, (nuint)buffer.Length, &result);
                if (error == Errno.Interrupted || (error == Errno.Range && length < LargestRecord)) continue;
                if (IsUnknown(error)) error = 0;
                return result == null ? null : record.Gid;
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }
        }
    }

    /// <summary>All groups that a user is a member of, its own first; at most 65536.</summary>
    public static uint[] Groups(UserAccount account)
    {
        int count = 64;
        while (true)
        {
            uint[] groups = new uint[count];
            int found = count;
            fixed (uint* first = groups)
                if (Libc.getgrouplist(account.Name, account.Gid, first, &found) >= 0) return groups[..found];
            if (count >= 65536) return [account.Gid];
            count = Math.Max(count * 2, found);
        }
    }

    // getpwnam_r(3): these all are said for "no such user" by one system or another.
    private static bool IsUnknown(int error) => error is Errno.NoEntry or Errno.NoProcess or 9 or Errno.Permission;

    private static UserAccount? Look(string? name, uint uid, out int error)
    {
        for (int length = 4096; ; length *= 4)
        {
            byte[] buffer = ArrayPool<byte>.Shared.Rent(length);
            try
            {
                Libc.Passwd record;
                Libc.Passwd* result = null;
                fixed (byte* memory = buffer)
                {
                    error = name is null
                        ? Libc.getpwuid_r(uid, &record, memory, (nuint)buffer.Length, &result)
                        : Libc.getpwnam_r(name, &record, memory, (nuint)buffer.Length, &result);
                    if (error == Errno.Interrupted) continue;
                    if (error == Errno.Range && length < LargestRecord) continue;
                    if (IsUnknown(error)) error = 0;
                    if (result == null) return null;
                    string shell = Marshal.PtrToStringUTF8((nint)record.Shell) ?? "";
                    return new UserAccount(Marshal.PtrToStringUTF8((nint)record.Name)!, record.Uid, record.Gid, Marshal.PtrToStringUTF8((nint)record.Directory) ?? "/")
                    {
                        Shell = shell.Length > 0 ? shell : "/bin/sh",
                    };
                }
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }
        }
    }
}

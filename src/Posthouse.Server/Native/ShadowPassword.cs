using System.Runtime.InteropServices;

namespace Posthouse.Server.Native;

/// <summary>Passwords of the system's users, which only root may read.</summary>
public static unsafe class ShadowPassword
{
    /// <summary>The hash of a user's password; null if there is none, the account has expired, or the system does not say (<paramref name="error"/>).</summary>
    public static string? Find(string name, long today, out int error)
    {
        const int Length = 64 * 1024;
        error = 0;
        if (name.Length is 0 or > 256 || name.AsSpan().IndexOfAny('\0', ':', '\n') >= 0) return null;
        byte* buffer = (byte*)NativeMemory.Alloc(Length);
        try
        {
            Libc.Shadow record;
            Libc.Shadow* result = null;
            do error = Libc.getspnam_r(name, &record, buffer, Length, &result);
            while (error == Errno.Interrupted);
            if (error is Errno.NoEntry or Errno.NoProcess) error = 0;
            // Where another source follows the file, its "no such user" or "locked" hides that the file may not be read.
            bool isOpen = result != null && record.Password != null && *record.Password is not ((byte)'!' or (byte)'*');
            if (!isOpen && error == 0 && Libc.geteuid() != 0 && !CanRead(out int denied)) error = denied;
            if (result == null || error != 0) return null;
            if (record.Expire >= 0 && today >= record.Expire) return null;
            return Marshal.PtrToStringUTF8((nint)record.Password);
        }
        finally
        {
            NativeMemory.Clear(buffer, Length);
            NativeMemory.Free(buffer);
        }
    }

    private static bool CanRead(out int error)
    {
        error = FileDescriptor.Open("/etc/shadow", OpenFlags.ReadOnly, 0, out Microsoft.Win32.SafeHandles.SafeFileHandle? file);
        file?.Dispose();
        return error is 0 or Errno.NoEntry;
    }
}

using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;

namespace Posthouse.Server.Native;

/// <summary>
/// Password hashes of crypt(3), by the system's libcrypt: yescrypt, SHA-512, bcrypt and whatever else it knows. A check
/// is meant to be slow (a few to some hundred milliseconds of CPU): never call it where a session's thread must not wait.
/// </summary>
public static unsafe class CryptPassword
{
    // struct crypt_data of libxcrypt is 32768 bytes, of old glibc 131232.
    private const int WorkSize = 1 << 18;
    private const int MaxLength = 512;
    private static readonly delegate* unmanaged<byte*, byte*, byte*, byte*> s_crypt = Load();

    /// <summary>Whether the system has libcrypt.</summary>
    public static bool IsAvailable => s_crypt != null;

    /// <summary>Whether <paramref name="password"/> has that hash. False for a locked or unknown hash (<c>*</c>, <c>!</c>, empty, …).</summary>
    public static bool Verify(string password, string hash)
    {
        if (hash.Length < 13 || hash[0] is '*' or '!') return false;
        string? computed = Compute(password, hash);
        return computed is not null && CryptographicOperations.FixedTimeEquals(Encoding.UTF8.GetBytes(computed), Encoding.UTF8.GetBytes(hash));
    }

    /// <summary>Hashes a password by a setting such as <c>$6$SALT$</c>; null if libcrypt is missing or refuses the setting.</summary>
    public static string? Compute(string password, string setting)
    {
        if (s_crypt == null || password.Length > MaxLength || setting.Length > MaxLength || password.Contains('\0') || setting.Contains('\0')) return null;
        byte* work = (byte*)NativeMemory.AllocZeroed(WorkSize);
        byte[] phrase = Encoding.UTF8.GetBytes(password + '\0');
        try
        {
            fixed (byte* key = phrase, salt = Encoding.UTF8.GetBytes(setting + '\0'))
            {
                string? result = Marshal.PtrToStringUTF8((nint)s_crypt(key, salt, work));
                return result is null or "" || result[0] == '*' ? null : result;
            }
        }
        finally
        {
            CryptographicOperations.ZeroMemory(phrase);
            CryptographicOperations.ZeroMemory(new Span<byte>(work, WorkSize));
            NativeMemory.Free(work);
        }
    }

    private static delegate* unmanaged<byte*, byte*, byte*, byte*> Load()
    {
        foreach (string name in (string[])["libcrypt.so.1", "libcrypt.so.2", "libcrypt.so"])
            if (NativeLibrary.TryLoad(name, out nint library) && NativeLibrary.TryGetExport(library, "crypt_r", out nint function))
                return (delegate* unmanaged<byte*, byte*, byte*, byte*>)function;
        return null;
    }
}

using System.Buffers;
using System.Buffers.Text;
using System.Text;

namespace Posthouse.Wire;

/// <summary>The base64 responses of AUTH PLAIN (RFC 4616) and AUTH LOGIN.</summary>
public static class SaslPlain
{
    /// <summary>The longest response taken, in base64 bytes.</summary>
    public const int MaxResponse = 1024;

    /// <summary>
    /// Reads <c>authzid NUL user NUL password</c> in base64. False where it is no base64, no UTF-8, has control characters, an empty user or password,
    /// or asks for another identity than the user's own.
    /// </summary>
    public static bool TryDecode(ReadOnlySpan<byte> base64, out string user, out string password)
    {
        user = password = "";
        if (!TryDecodeText(base64, allowNul: true, out string text))
            return false;
        string[] parts = text.Split('\0');
        if (parts.Length != 3 || parts[1].Length == 0 || parts[2].Length == 0 || (parts[0].Length != 0 && parts[0] != parts[1]))
            return false;
        (user, password) = (parts[1], parts[2]);
        return true;
    }

    /// <summary>Reads one response of AUTH LOGIN, a user or a password, under the same conditions.</summary>
    public static bool TryDecodeLogin(ReadOnlySpan<byte> base64, out string text) =>
        TryDecodeText(base64, allowNul: false, out text) && text.Length != 0;

    private static bool TryDecodeText(ReadOnlySpan<byte> base64, bool allowNul, out string text)
    {
        text = "";
        if (base64.Length > MaxResponse || base64.IndexOfAny(" \t\r\n"u8) >= 0)
            return false;
        Span<byte> bytes = stackalloc byte[MaxResponse];
        if (Base64.DecodeFromUtf8(base64, bytes, out _, out int length) != OperationStatus.Done)
            return false;
        bytes = bytes[..length];
        bool valid = true;
        foreach (Range part in bytes.Split((byte)0))
            valid &= PrintableText.IsPrintable(bytes[part]);
        valid &= allowNul || !bytes.Contains((byte)0);
        if (valid)
            text = Encoding.UTF8.GetString(bytes);
        System.Security.Cryptography.CryptographicOperations.ZeroMemory(bytes);
        return valid;
    }
}

using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Posthouse.Fuzz.Oracles;

/// <summary>xtext, base64 and CRC-32C by the book.</summary>
internal static partial class Encodings
{
    /// <summary>RFC 3461 section 4; null when it is no xtext, or not of printable UTF-8.</summary>
    public static string? DecodeXtext(string text)
    {
        if (!Xtext().IsMatch(text))
            return null;
        var bytes = new List<byte>();
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] != '+')
            {
                bytes.Add((byte)text[i]);
                continue;
            }

            bytes.Add(Convert.FromHexString(text.AsSpan(i + 1, 2))[0]);
            i += 2;
        }

        return DecodePrintable([.. bytes]);
    }

    /// <summary>The text of bytes; null when they are no UTF-8, or there is a control character or a line separator.</summary>
    public static string? DecodePrintable(byte[] bytes, string except = "")
    {
        try
        {
            string text = new UTF8Encoding(false, true).GetString(bytes);
            return text.Any(c => !except.Contains(c, StringComparison.Ordinal) && !IsPrintable(c)) ? null : text;
        }
        catch (DecoderFallbackException)
        {
            return null;
        }
    }

    public static bool IsPrintable(char c) =>
        char.GetUnicodeCategory(c) is not (UnicodeCategory.Control or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator);

    /// <summary>RFC 4648 section 4, bit by bit; null when it is none. Bits left over must be zero (section 3.5).</summary>
    public static byte[]? DecodeBase64(string text)
    {
        if (text.Length % 4 != 0 || !Base64().IsMatch(text))
            return null;
        var bits = new StringBuilder();
        foreach (char c in text.TrimEnd('='))
            bits.Append(Convert.ToString("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".IndexOf(c, StringComparison.Ordinal), 2).PadLeft(6, '0'));
        if (bits.ToString(bits.Length / 8 * 8, bits.Length % 8).Contains('1', StringComparison.Ordinal))
            return null;
        byte[] bytes = new byte[bits.Length / 8];
        for (int i = 0; i < bytes.Length; i++)
            bytes[i] = Convert.ToByte(bits.ToString(i * 8, 8), 2);
        return bytes;
    }

    /// <summary>CRC-32C, a bit at a time.</summary>
    public static uint Crc(uint crc, ReadOnlySpan<byte> bytes)
    {
        crc = ~crc;
        foreach (byte b in bytes)
        {
            crc ^= b;
            for (int bit = 0; bit < 8; bit++)
                crc = (crc & 1) != 0 ? crc >> 1 ^ 0x82F63B78 : crc >> 1;
        }

        return ~crc;
    }

    [GeneratedRegex(@"\A(?:[!-*,-<>-~]|\+[0-9A-F]{2})*\z")]
    private static partial Regex Xtext();

    [GeneratedRegex(@"\A[A-Za-z0-9+/]*={0,2}\z")]
    private static partial Regex Base64();
}

using System.Buffers;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Posthouse.Wire;

/// <summary>Host names and address literals as SMTP writes them (RFC 5321 sections 4.1.2 and 4.1.3), told from bytes by positive validation.</summary>
public static class HostName
{
    /// <summary>The longest domain, in octets (RFC 5321 section 4.5.3.1.2).</summary>
    public const int MaxLength = 255;

    private static readonly SearchValues<byte> s_nameBytes =
        SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."u8);

    /// <summary>
    /// Whether <paramref name="text"/> may be the argument of HELO and EHLO: a name of letters, digits, <c>-</c>, <c>_</c> and dots
    /// (one at its end is tolerated), or an address literal; at most <see cref="MaxLength"/> octets.
    /// </summary>
    public static bool IsValidGreeting(ReadOnlySpan<byte> text)
    {
        if (text.Length is 0 or > MaxLength)
            return false;
        if (text[0] == '[')
            return TryParseLiteral(text, out _);
        if (text[^1] == '.')
            text = text[..^1];
        return IsAsciiName(text);
    }

    /// <summary>
    /// Whether <paramref name="text"/> is a domain that mail can be addressed to: labels of letters, digits, <c>-</c> and (tolerated) <c>_</c>,
    /// of at most 63 octets; with <paramref name="international"/> also labels of letters and digits in UTF-8 (RFC 6531 section 3.3).
    /// </summary>
    public static bool IsValidDomain(ReadOnlySpan<byte> text, bool international = true)
    {
        if (text.Length is 0 or > MaxLength)
            return false;
        if (Ascii.IsValid(text))
            return IsAsciiName(text);
        return international && IsInternationalName(text);
    }

    /// <summary>
    /// Reads <c>[192.0.2.1]</c> or <c>[IPv6:2001:db8::1]</c>, without a zone. A general literal of another tag is refused.
    /// </summary>
    public static bool TryParseLiteral(ReadOnlySpan<byte> text, out IPAddress? address)
    {
        address = null;
        if (text.Length is < 3 or > 64 || text[0] != '[' || text[^1] != ']')
            return false;
        ReadOnlySpan<byte> inner = text[1..^1];
        ReadOnlySpan<byte> tag = "IPv6:"u8;
        if (inner.Length > tag.Length && Ascii.EqualsIgnoreCase(inner[..tag.Length], tag))
            return TryParseAddress(inner[tag.Length..], AddressFamily.InterNetworkV6, out address);
        return TryParseAddress(inner, AddressFamily.InterNetwork, out address);
    }

    /// <summary>Reads an address of one family in its plain text form: four decimal numbers, or IPv6 without a zone or brackets.</summary>
    internal static bool TryParseAddress(ReadOnlySpan<byte> text, AddressFamily family, out IPAddress? address)
    {
        address = null;
        // IPAddress also reads 127.1, 0x7f000001, zones and brackets; none of these may pass.
        if (family == AddressFamily.InterNetwork ? !IsDottedQuad(text) : text.IndexOfAny("%[]/"u8) >= 0)
            return false;
        return IPAddress.TryParse(text, out address) && address.AddressFamily == family;
    }

    private static bool IsDottedQuad(ReadOnlySpan<byte> text)
    {
        int numbers = 0;
        foreach (Range part in text.Split((byte)'.'))
        {
            ReadOnlySpan<byte> number = text[part];
            if (++numbers > 4 || number.Length is 0 or > 3 || number.IndexOfAnyExceptInRange((byte)'0', (byte)'9') >= 0
                || (number.Length > 1 && number[0] == '0'))
                return false;
        }
        return numbers == 4;
    }

    private static bool IsAsciiName(ReadOnlySpan<byte> text)
    {
        if (text.IsEmpty || text.ContainsAnyExcept(s_nameBytes))
            return false;
        while (true)
        {
            int dot = text.IndexOf((byte)'.');
            int label = dot < 0 ? text.Length : dot;
            if (label is 0 or > 63)
                return false;
            if (dot < 0)
                return true;
            text = text[(dot + 1)..];
        }
    }

    private static bool IsInternationalName(ReadOnlySpan<byte> text)
    {
        int label = 0;
        while (!text.IsEmpty)
        {
            if (Rune.DecodeFromUtf8(text, out Rune rune, out int length) != OperationStatus.Done)
                return false;
            text = text[length..];
            if (rune.Value == '.')
            {
                if (label == 0)
                    return false;
                label = 0;
                continue;
            }
            label += length;
            if (label > 63 || !IsNameRune(rune))
                return false;
        }
        return label > 0;
    }

    private static bool IsNameRune(Rune rune)
    {
        if (rune.IsAscii)
            return s_nameBytes.Contains((byte)rune.Value);
        return Rune.IsLetterOrDigit(rune)
            || Rune.GetUnicodeCategory(rune) is System.Globalization.UnicodeCategory.NonSpacingMark or System.Globalization.UnicodeCategory.SpacingCombiningMark
            // Joiners stand inside words of some scripts (RFC 5892 appendix A).
            || rune.Value is 0x200C or 0x200D;
    }
}

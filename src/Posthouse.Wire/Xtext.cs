using System.Buffers;
using System.Buffers.Text;
using System.Text;

namespace Posthouse.Wire;

/// <summary>The xtext encoding of parameter values (RFC 3461 section 4): printable ASCII, with <c>+XX</c> for <c>+</c>, <c>=</c> and what is not printable.</summary>
public static class Xtext
{
    /// <summary>Decodes; false where a byte may not stand, a <c>+</c> is not followed by two upper-case hex digits, or the result is no printable UTF-8.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> text, out string? value)
    {
        value = null;
        byte[] plain = ArrayPool<byte>.Shared.Rent(text.Length);
        try
        {
            int count = 0;
            for (int i = 0; i < text.Length; i++)
            {
                byte b = text[i];
                if (b is < 33 or > 126 or (byte)'=')
                    return false;
                if (b == '+')
                {
                    if (text.Length - i < 3 || !IsUpperHex(text[i + 1]) || !IsUpperHex(text[i + 2])
                        || !Utf8Parser.TryParse(text.Slice(i + 1, 2), out b, out _, 'X'))
                        return false;
                    i += 2;
                }
                plain[count++] = b;
            }
            if (!PrintableText.IsPrintable(plain.AsSpan(0, count)))
                return false;
            value = Encoding.UTF8.GetString(plain, 0, count);
            return true;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(plain);
        }
    }

    /// <summary>Encodes the UTF-8 form of <paramref name="value"/>.</summary>
    public static string Encode(string value)
    {
        StringBuilder text = new(value.Length + 8);
        foreach (byte b in Encoding.UTF8.GetBytes(value))
        {
            if (b is >= 33 and <= 126 and not (byte)'+' and not (byte)'=')
                text.Append((char)b);
            else
                text.Append('+').Append(b.ToString("X2", System.Globalization.CultureInfo.InvariantCulture));
        }
        return text.ToString();
    }

    private static bool IsUpperHex(byte b) => b is (>= (byte)'0' and <= (byte)'9') or (>= (byte)'A' and <= (byte)'F');
}

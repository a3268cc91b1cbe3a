using System.Buffers;

namespace Posthouse.Server.Receiving;

/// <summary>
/// Finds the bare addresses in an address list of RFC 5322 section 3.4, so that a domain can be put behind them; everything else, folding and
/// comments included, stays as it is. An item is what stands between commas (and group delimiters) outside of quotes, comments and brackets: with an angle bracket its address is within,
/// without one it is an address when it is a single word.
/// </summary>
internal static class AddressCompletion
{
    /// <summary>Copies the value of a field with <c>@domain</c> behind each bare address.</summary>
    internal static void Complete(ReadOnlySpan<byte> value, ReadOnlySpan<byte> domain, IBufferWriter<byte> output)
    {
        int copied = 0, wordEnd = 0, words = 0, commentDepth = 0;
        bool inWord = false, hasAt = false, angle = false, angleHasText = false, hadAngle = false;
        for (int i = 0; i <= value.Length; i++)
        {
            byte b = i < value.Length ? value[i] : (byte)',';
            if (commentDepth > 0 && i < value.Length)
            {
                if (b == '\\')
                    i++;
                else
                    commentDepth += b == '(' ? 1 : b == ')' ? -1 : 0;
                continue;
            }
            switch (b)
            {
                case (byte)'(' when i < value.Length:
                    commentDepth = 1;
                    inWord = false;
                    break;
                case (byte)'"':
                    int end = QuoteEnd(value, i);
                    words += inWord ? 0 : 1;
                    inWord = true;
                    angleHasText |= angle;
                    i = end;
                    wordEnd = Math.Min(end + 1, value.Length);
                    break;
                case (byte)'<' when !angle:
                    angle = hadAngle = true;
                    hasAt = angleHasText = inWord = false;
                    break;
                case (byte)'>' when angle:
                    if (angleHasText && !hasAt)
                        Insert(value, ref copied, wordEnd, domain, output);
                    angle = inWord = false;
                    break;
                case (byte)':' when !angle:
                    // The name of a group.
                    words = 0;
                    inWord = hasAt = hadAngle = false;
                    break;
                case (byte)',' or (byte)';' when !angle:
                    if (words == 1 && !hasAt && !hadAngle)
                        Insert(value, ref copied, wordEnd, domain, output);
                    words = 0;
                    inWord = hasAt = hadAngle = false;
                    break;
                case (byte)' ' or (byte)'\t' or (byte)'\r' or (byte)'\n':
                    inWord = false;
                    break;
                default:
                    hasAt |= b == '@';
                    words += inWord ? 0 : 1;
                    inWord = true;
                    angleHasText |= angle;
                    wordEnd = Math.Min(i + 1, value.Length);
                    break;
            }
        }
        output.Write(value[copied..]);
    }

    /// <summary>Where the first address in angle brackets stands, brackets included; false when there is none.</summary>
    internal static bool TryFindAngle(ReadOnlySpan<byte> value, out Range angle)
    {
        angle = default;
        int depth = 0, start = -1;
        for (int i = 0; i < value.Length; i++)
        {
            switch (value[i])
            {
                case (byte)'\\':
                    i++;
                    break;
                case (byte)'"' when depth == 0:
                    i = QuoteEnd(value, i);
                    break;
                case (byte)'(':
                    depth++;
                    break;
                case (byte)')' when depth > 0:
                    depth--;
                    break;
                case (byte)'<' when depth == 0 && start < 0:
                    start = i;
                    break;
                case (byte)'>' when depth == 0 && start >= 0:
                    angle = start..(i + 1);
                    return true;
            }
        }
        return false;
    }

    private static void Insert(ReadOnlySpan<byte> value, ref int copied, int at, ReadOnlySpan<byte> domain, IBufferWriter<byte> output)
    {
        output.Write(value[copied..at]);
        output.Write("@"u8);
        output.Write(domain);
        copied = at;
    }

    // The index of the closing quote, or of the last byte when there is none.
    private static int QuoteEnd(ReadOnlySpan<byte> value, int start)
    {
        for (int i = start + 1; i < value.Length; i++)
        {
            if (value[i] == '\\')
                i++;
            else if (value[i] == '"')
                return i;
        }
        return value.Length - 1;
    }
}

namespace Posthouse.Server.Tables;

/// <summary>
/// Patterns in which <c>*</c> stands for any text, dots included; letters match without regard to ASCII case.
/// The match remembers only the last star: when what follows it fails, that star takes one character more. An earlier
/// star never needs to be tried again, because the leftmost place where a piece fits leaves the most room for the rest.
/// So the work is bounded by the product of both lengths, and is linear for the patterns that people write.
/// </summary>
public static class Glob
{
    /// <summary>Whether all of <paramref name="text"/> matches.</summary>
    public static bool IsMatch(ReadOnlySpan<char> pattern, ReadOnlySpan<char> text)
    {
        int p = 0, t = 0, star = -1, retry = 0;
        while (t < text.Length)
        {
            if (p < pattern.Length && pattern[p] == '*')
            {
                star = ++p;
                retry = t;
            }
            else if (p < pattern.Length && Fold(pattern[p]) == Fold(text[t]))
            {
                p++;
                t++;
            }
            else if (star >= 0)
            {
                p = star;
                t = ++retry;
            }
            else
            {
                return false;
            }
        }

        while (p < pattern.Length && pattern[p] == '*')
            p++;
        return p == pattern.Length;
    }

    private static char Fold(char c) => char.IsAsciiLetterUpper(c) ? (char)(c | 0x20) : c;
}

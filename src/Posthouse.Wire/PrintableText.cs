using System.Buffers;
using System.Globalization;
using System.Text;

namespace Posthouse.Wire;

/// <summary>
/// What text of strangers may hold that ends up in logs, envelopes and notices: no control characters, those of C1 (which steer terminals, too) among them,
/// and nothing that some programs take for a line end.
/// </summary>
internal static class PrintableText
{
    /// <summary>Whether it is well-formed UTF-8 of such characters.</summary>
    internal static bool IsPrintable(ReadOnlySpan<byte> utf8)
    {
        while (!utf8.IsEmpty)
        {
            byte b = utf8[0];
            int length = 1;
            if (b < 0x80 ? b is < 32 or 127 : Rune.DecodeFromUtf8(utf8, out Rune rune, out length) != OperationStatus.Done || IsControl(Rune.GetUnicodeCategory(rune)))
                return false;
            utf8 = utf8[length..];
        }
        return true;
    }

    /// <summary>Puts <c>?</c> in the place of every other character, from <paramref name="start"/> on.</summary>
    internal static void Clean(StringBuilder text, int start)
    {
        for (int i = start; i < text.Length; i++)
        {
            if (IsControl(char.GetUnicodeCategory(text[i])))
                text[i] = '?';
        }
    }

    private static bool IsControl(UnicodeCategory category) =>
        category is UnicodeCategory.Control or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator;
}

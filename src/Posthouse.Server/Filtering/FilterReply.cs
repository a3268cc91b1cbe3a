using System.Text;
using Posthouse.Wire;

namespace Posthouse.Server.Filtering;

/// <summary>Makes a reply of the text that a filter gave with reject or disconnect.</summary>
internal static class FilterReply
{
    private const int MaxText = 450;

    private static readonly SmtpReply s_malformed = new(421, "Internal server error");

    /// <summary>Of <c>[45]NN text</c>; anything else is answered by 421, as smtpd does.</summary>
    internal static SmtpReply Parse(string? text)
    {
        if (text is null || text.Length < 3 || text[0] is not ('4' or '5') || !char.IsAsciiDigit(text[1]) || !char.IsAsciiDigit(text[2]) || (text.Length > 3 && text[3] != ' '))
            return s_malformed;
        int code = int.Parse(text.AsSpan(0, 3), System.Globalization.CultureInfo.InvariantCulture);
        string words = text.Length > 4 ? text[4..].Trim() : "";
        if (words.Length == 0) words = code < 500 ? "Try again later" : "Refused";
        if (words.Length > MaxText) words = words[..MaxText];
        StringBuilder? clean = null;
        for (int i = 0; i < words.Length; i++)
        {
            if (!char.IsControl(words[i])) continue;
            clean ??= new(words);
            clean[i] = ' ';
        }
        return new(code, clean?.ToString() ?? words);
    }
}

using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace Posthouse.Fuzz.Oracles;

/// <summary>
/// RFC 5321 section 4.1.2 and RFC 6531 section 3.3 once more, by regular expressions over characters. So that these need to know nothing of
/// surrogates, <c>Fold</c> puts one private character in the place of each beyond the basic plane.
/// </summary>
internal static partial class Addresses
{
    private const char Astral = '\uE000';
    private const char AstralLetter = '\uE002';
    private const char OtherPrivate = '\uE003';
    private const char Forbidden = '\u0085';

    private const string Text = @"[^\x00-\x7F\p{Cc}\p{Zl}\p{Zp}\p{Cn}]";
    private const string Atom = @"(?:[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-]|" + Text + ")+";
    private const string Local = "(?<local>" + Atom + @"(?:\." + Atom + @")*|""(?:[\x20\x21\x23-\x5B\x5D-\x7E]|" + Text + @"|\\[\x20-\x7E])+"")";
    private const string Hop = @"@(?<hop>\[[^\]]*\]|[^\[\],:>@]+)";

    /// <summary>The text of bytes, or null when they are no UTF-8.</summary>
    public static string? Fold(ReadOnlySpan<byte> bytes)
    {
        try
        {
            return Fold(new UTF8Encoding(false, true).GetString(bytes));
        }
        catch (DecoderFallbackException)
        {
            return null;
        }
    }

    public static string Fold(string text)
    {
        var folded = new StringBuilder();
        foreach (Rune rune in text.EnumerateRunes())
        {
            UnicodeCategory category = Rune.GetUnicodeCategory(rune);
            folded.Append(rune.IsBmp ? rune.Value is >= Astral and <= OtherPrivate ? OtherPrivate : (char)rune.Value
                : category == UnicodeCategory.OtherNotAssigned ? Forbidden
                : Rune.IsLetterOrDigit(rune) || category is UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark ? AstralLetter : Astral);
        }

        return folded.ToString();
    }

    /// <summary>Octets of folded text.</summary>
    public static int Octets(string folded) => folded.Sum(c => c is Astral or AstralLetter ? 4 : Encoding.UTF8.GetByteCount([c]));

    /// <summary>The path at the beginning of the text; null when there is none.</summary>
    public static PathFound? ReadPath(string text)
    {
        if (text.StartsWith("<>", StringComparison.Ordinal))
            return new("", "", false, 2);
        Match match = Path().Match(text);
        if (!match.Success || Octets(match.Value) > 256 || match.Groups["hop"].Captures.Any(hop => !IsDomainPart(hop.Value)))
            return null;
        string domain = match.Groups["domain"].Value;
        if (match.Groups["domain"].Success && !IsDomainPart(domain))
            return null;
        string local = match.Groups["local"].Value;
        bool international = (local + domain).Any(c => c > 127);
        if (local[0] == '"')
            local = Escape().Replace(local[1..^1], "$1");
        return new(local, domain, international, match.Length);
    }

    public static bool IsDomainPart(string text) => text.StartsWith('[') ? IsLiteral(text) : IsDomain(text);

    public static bool IsDomain(string text) =>
        Octets(text) is > 0 and <= 255 && text.Split('.').All(label => Label().IsMatch(label) && Octets(label) <= 63);

    public static bool IsGreeting(string text)
    {
        if (text.Length == 0 || Octets(text) > 255 || text.Any(c => c > 127))
            return false;
        return text[0] == '[' ? IsLiteral(text) : IsDomain(text[^1] == '.' ? text[..^1] : text);
    }

    public static bool IsLiteral(string text)
    {
        if (text.Length > 64 || text.Length < 3 || text[0] != '[' || text[^1] != ']')
            return false;
        string inner = text[1..^1];
        return inner.StartsWith("IPv6:", StringComparison.OrdinalIgnoreCase) ? IsIPv6(inner[5..]) : IsIPv4(inner);
    }

    public static bool IsIPv4(string text) => text.Split('.') is { Length: 4 } numbers && numbers.All(number => Octet().IsMatch(number));

    /// <summary>RFC 4291 section 2.2: eight groups, some of which <c>::</c> may stand for, the last two perhaps as an IPv4 address.</summary>
    public static bool IsIPv6(string text)
    {
        string[] halves = text.Split("::");
        if (halves.Length > 2)
            return false;
        int groups = 0;
        for (int half = 0; half < halves.Length; half++)
        {
            if (halves[half].Length == 0 && halves.Length == 2)
                continue;
            string[] parts = halves[half].Split(':');
            for (int i = 0; i < parts.Length; i++)
            {
                bool isLast = half == halves.Length - 1 && i == parts.Length - 1;
                if (isLast && IsIPv4(parts[i]))
                    groups++;
                else if (!Group().IsMatch(parts[i]))
                    return false;
                groups++;
            }
        }

        return halves.Length == 2 ? groups <= 7 : groups == 8;
    }

    internal sealed record PathFound(string Local, string Domain, bool IsInternational, int Length);

    [GeneratedRegex("^<(?:" + Hop + "(?:," + Hop + ")*:)?" + Local + "(?:@(?<domain>[^>]*))?>")]
    private static partial Regex Path();

    [GeneratedRegex(@"\\(.)", RegexOptions.Singleline)]
    private static partial Regex Escape();

    [GeneratedRegex(@"\A(?:[A-Za-z0-9_\-\uE002]|(?![\x00-\x7F])[\p{L}\p{Nd}\p{Mn}\p{Mc}\u200C\u200D])+\z")]
    private static partial Regex Label();

    [GeneratedRegex(@"\A(?:0|[1-9][0-9]?|1[0-9][0-9]|2[0-4][0-9]|25[0-5])\z")]
    private static partial Regex Octet();

    [GeneratedRegex(@"\A[0-9A-Fa-f]{1,4}\z")]
    private static partial Regex Group();
}

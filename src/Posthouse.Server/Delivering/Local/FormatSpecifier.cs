using System.Buffers;

namespace Posthouse.Server.Delivering.Local;

/// <summary>
/// One <c>%{name[begin:end]:modifier|…}</c>. Modifiers act first, from left to right; then what a shell or path could
/// mistake is replaced, unless <c>raw</c> was among them; the substring comes last.
/// </summary>
internal sealed record FormatSpecifier(string Name, int? Begin, int? End, bool Single, string[] Modifiers)
{
    private static readonly SearchValues<char> s_unsafe = SearchValues.Create("!#$%&'*?`{|}~");

    /// <summary>Whether it is <c>%{mda}</c>.</summary>
    internal bool IsCommand => Name == "mda";

    /// <summary>Whether its value comes from the mail, so that it is a stranger's text.</summary>
    internal bool IsFromMail => !Name.StartsWith("user.", StringComparison.Ordinal);

    /// <summary>What its value depends on besides the user. Without a recipient the destination stands for it.</summary>
    internal GrantScope Scope => Name.Split('.')[0] switch
    {
        "user" => GrantScope.User,
        "sender" or "mbox" => GrantScope.Sender,
        "dest" => GrantScope.Destination,
        "rcpt" => GrantScope.Recipient | GrantScope.Destination,
        _ => GrantScope.Once,
    };

    /// <summary>Reads what stands between the braces.</summary>
    internal static FormatSpecifier? Parse(string text, out string? error)
    {
        error = null;
        int nameEnd = text.AsSpan().IndexOfAny('[', ':');
        string name = (nameEnd < 0 ? text : text[..nameEnd]).ToLowerInvariant();
        string rest = nameEnd < 0 ? "" : text[nameEnd..];
        if (name != "mda" && s_probe.Find(name) is null)
        {
            error = $"unknown format specifier %{{{text}}}";
            return null;
        }
        int? begin = null, end = null;
        bool single = false;
        if (rest.StartsWith('['))
        {
            int close = rest.IndexOf(']');
            if (close < 0 || !TryRange(rest[1..close], out begin, out end, out single))
            {
                error = $"malformed substring in %{{{text}}}";
                return null;
            }
            rest = rest[(close + 1)..];
        }
        string[] modifiers = [];
        if (rest.Length > 0)
        {
            modifiers = rest[0] == ':' ? rest[1..].ToLowerInvariant().Split('|') : [rest];
            foreach (string modifier in modifiers)
            {
                if (modifier is "lowercase" or "uppercase" or "strip" or "raw") continue;
                error = $"unknown modifier in %{{{text}}}";
                return null;
            }
        }
        return new(name, begin, end, single, modifiers);
    }

    /// <summary>Its value; null with an <paramref name="error"/>.</summary>
    internal string? Evaluate(FormatValues values, out string? error)
    {
        error = null;
        string? value = values.Find(Name);
        if (value is null)
        {
            error = $"%{{{Name}}} has no meaning here";
            return null;
        }
        bool raw = false;
        foreach (string modifier in Modifiers)
        {
            switch (modifier)
            {
                case "lowercase": value = value.ToLowerInvariant(); break;
                case "uppercase": value = value.ToUpperInvariant(); break;
                case "strip": value = Strip(value, values.Delimiter); break;
                default: raw = true; break;
            }
        }
        if (value.AsSpan().ContainsAnyInRange('\0', '\x1f') || value.Contains('\x7f'))
        {
            error = $"%{{{Name}}} holds a control character";
            return null;
        }
        if (!raw && Name != "user.directory") value = Sanitise(value);
        if (Begin is null && End is null) return value;
        if (Substring(value) is { } part) return part;
        error = $"the substring of %{{{Name}}} begins beyond its end";
        return null;
    }

    private string? Substring(string value)
    {
        int begin = Begin ?? 0;
        if (begin < 0) begin = Math.Max(begin + value.Length, 0);
        if (begin > value.Length || (Single && begin == value.Length)) return null;
        if (Single) return value.Substring(begin, 1);
        // The end is inclusive; a negative one counts from the end of the value, so that [0:-4] of example.org is example.
        int end = End is not { } given ? value.Length : given < 0 ? value.Length + given : Math.Min(given + 1, value.Length);
        return end < begin ? null : value[begin..end];
    }

    private static bool TryRange(string text, out int? begin, out int? end, out bool single)
    {
        begin = end = null;
        int colon = text.IndexOf(':');
        single = colon < 0;
        string first = single ? text : text[..colon], last = single ? "" : text[(colon + 1)..];
        if (first.Length > 0)
        {
            if (!TryNumber(first, out int number)) return false;
            begin = number;
        }
        if (last.Length > 0)
        {
            if (!TryNumber(last, out int number)) return false;
            end = number;
        }
        return begin is not null || end is not null;
    }

    private static bool TryNumber(string text, out int number) =>
        int.TryParse(text, System.Globalization.NumberStyles.AllowLeadingSign, System.Globalization.CultureInfo.InvariantCulture, out number)
        && number is > -100_000 and < 100_000;

    private static string Strip(string value, char delimiter)
    {
        int at = value.LastIndexOf('@');
        int tag = value.IndexOf(delimiter);
        if (tag < 0 || (at >= 0 && tag > at)) return value;
        return at < 0 ? value[..tag] : string.Concat(value.AsSpan(0, tag), value.AsSpan(at));
    }

    private static string Sanitise(string value)
    {
        if (!value.AsSpan().ContainsAny(s_unsafe)) return value;
        char[] clean = value.ToCharArray();
        for (int i = 0; i < clean.Length; i++)
            if (s_unsafe.Contains(clean[i])) clean[i] = ':';
        return new(clean);
    }

    private static readonly FormatValues s_probe = new("", "", "", "", "", '+');
}

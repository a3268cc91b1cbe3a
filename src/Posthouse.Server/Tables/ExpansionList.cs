using System.Text;
using Posthouse.Wire;

namespace Posthouse.Server.Tables;

/// <summary>
/// The right side of an alias, and the content of a .forward or an included file: elements separated by commas (and by
/// lines, in files, where a line beginning with <c>#</c> is a comment). A comma inside single or double quotes, or behind
/// a backslash, belongs to its element; a backslash is dropped, quotes stay unless they enclose the whole element.
/// </summary>
public static class ExpansionList
{
    /// <summary>Most elements that one list may have.</summary>
    public const int MaxElements = 10_000;

    /// <summary>Reads one line of elements; false with what was expected in <paramref name="error"/>. Empty elements are skipped.</summary>
    public static bool TryParse(string text, out IReadOnlyList<ExpansionElement> elements, out string error)
    {
        ArgumentNullException.ThrowIfNull(text);
        List<ExpansionElement> list = [];
        elements = list;
        return TryAdd(text, list, out error);
    }

    /// <summary>Reads a whole file; false with the line and what was expected there in <paramref name="error"/>.</summary>
    public static bool TryParseFile(string text, out IReadOnlyList<ExpansionElement> elements, out string error)
    {
        ArgumentNullException.ThrowIfNull(text);
        List<ExpansionElement> list = [];
        elements = list;
        error = "";
        int number = 0;
        foreach (ReadOnlySpan<char> line in text.AsSpan().EnumerateLines())
        {
            number++;
            ReadOnlySpan<char> trimmed = line.Trim();
            if (trimmed.IsEmpty || trimmed[0] == '#')
                continue;
            if (!TryAdd(trimmed, list, out error))
            {
                error = $"line {number}: {error}";
                return false;
            }
        }

        return true;
    }

    private static bool TryAdd(ReadOnlySpan<char> text, List<ExpansionElement> list, out string error)
    {
        StringBuilder element = new();
        char quote = '\0';
        for (int i = 0; i <= text.Length; i++)
        {
            if (i == text.Length || (text[i] == ',' && quote == '\0'))
            {
                if (quote != '\0')
                {
                    error = $"a closing {quote}";
                    return false;
                }

                string word = element.ToString().Trim();
                element.Clear();
                if (word.Length == 0)
                    continue;
                if (!TryClassify(word, out ExpansionElement parsed, out error))
                    return false;
                if (list.Count == MaxElements)
                {
                    error = $"at most {MaxElements} elements";
                    return false;
                }

                list.Add(parsed);
                continue;
            }

            char c = text[i];
            bool isEscaped = c == '\\';
            if (isEscaped)
            {
                if (++i == text.Length)
                {
                    error = "a character after the backslash";
                    return false;
                }

                c = text[i];
                // A mailbox has quoting of its own: keep what it needs inside double quotes.
                if (quote == '"' && !IsCommand(element))
                    element.Append('\\');
            }

            if (char.IsControl(c) && c != '\t')
            {
                error = "text without control characters";
                return false;
            }

            if (!isEscaped && c is '"' or '\'')
                quote = quote == '\0' ? c : quote == c ? '\0' : quote;
            element.Append(c);
        }

        error = "";
        return true;
    }

    private static bool IsCommand(StringBuilder element)
    {
        for (int i = 0; i < element.Length; i++)
        {
            if (element[i] is not ('"' or '\'' or ' ' or '\t'))
                return element[i] is '|' or '/' or ':';
        }

        return false;
    }

    private static bool TryClassify(string word, out ExpansionElement element, out string error)
    {
        element = default;
        error = "";
        string plain = word is ['"', .., '"'] ? word[1..^1].Trim() : word;
        if (plain.StartsWith('|') && (plain == word || word.Length > 2))
        {
            element = new(ExpansionKind.Command, plain[1..].Trim());
            error = "a command after the bar";
            return element.Text.Length > 0;
        }

        if (plain.StartsWith('/'))
        {
            element = new(ExpansionKind.File, plain);
            return true;
        }

        if (TryPrefix(plain, "include:", out string rest))
        {
            element = new(ExpansionKind.Include, rest);
            error = "an absolute path after include:";
            return rest.StartsWith('/');
        }

        if (TryPrefix(plain, "error:", out rest))
        {
            element = new(ExpansionKind.Error, rest);
            error = "a code from 400 to 599 and a text after error:";
            return rest.Length > 4 && rest[0] is '4' or '5' && char.IsAsciiDigit(rest[1]) && char.IsAsciiDigit(rest[2]) && rest[3] == ' ' && !rest.AsSpan(4).IsWhiteSpace();
        }

        error = "a user, an address, a |command, a /file, an :include: or an :error:";
        if (!Mailbox.TryParse(word, out Mailbox? mailbox) || mailbox is null)
            return false;
        element = mailbox.IsQualified ? new(ExpansionKind.Address, mailbox.ToString()) : new(ExpansionKind.User, mailbox.LocalPart);
        return true;
    }

    private static bool TryPrefix(string word, string prefix, out string rest)
    {
        int skip = word.StartsWith(':') ? 1 : 0;
        bool found = word.AsSpan(skip).StartsWith(prefix, StringComparison.OrdinalIgnoreCase);
        rest = found ? word[(skip + prefix.Length)..].Trim() : "";
        return found;
    }
}

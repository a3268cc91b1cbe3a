using System.Text;
using System.Text.RegularExpressions;
using Posthouse.Server.Tables;

namespace Posthouse.Fuzz.Targets;

/// <summary>A table's text file.</summary>
public sealed partial class TableFileTarget : IFuzzTarget
{
    public static string Name => "table-file";

    public static IReadOnlyList<string> Words { get; } =
        ["\n", "\r\n", "# @list\n", "#", "key value\n", "key: value\n", "key\tvalue\n", "[::1]: value\n", "[", "]", ":", " ", "\t", "@example.org", "\u00c3\u00a9", "\u00ff", "\0", ":include:/f"];

    public static bool Run(ReadOnlySpan<byte> input)
    {
        TableFile found = TableFile.Parse(input, "table");
        TableKind? kind = null;
        List<TableEntry> entries = [];
        List<int> errors = [];
        string[] lines = Encoding.Latin1.GetString(input).Split('\n');
        for (int number = 1; number <= lines.Length; number++)
        {
            string line = lines[number - 1].Trim(' ', '\t', '\r', '\v', '\f');
            if (line == "")
                continue;
            if (line[0] == '#')
            {
                if (ListComment().IsMatch(line))
                    kind ??= TableKind.List;
                continue;
            }

            string? text = Decode(line);
            if (text is null || Control().IsMatch(text))
            {
                errors.Add(number);
                continue;
            }

            Match match = Entry().Match(text);
            kind ??= match.Groups["key"].Length == text.Length ? TableKind.List : TableKind.Mapping;
            if (kind == TableKind.List)
                entries.Add(new(text, null, number));
            else if (match.Groups["key"].Length == 0 || match.Groups["value"].Length == 0)
                errors.Add(number);
            else
                entries.Add(new(match.Groups["key"].Value, match.Groups["value"].Value, number));
        }

        MismatchException.ThrowUnlessSame(string.Join(' ', errors.Take(100)), string.Join(' ', found.Errors.Select(error => error.Line)), "the lines with errors");
        MismatchException.ThrowUnlessSame(kind ?? TableKind.Mapping, found.Kind, "the kind");
        MismatchException.ThrowUnlessSame(string.Join('\n', errors.Count == 0 ? entries : []), string.Join('\n', found.Entries), "the entries");
        foreach (TableFileError error in found.Errors)
            MismatchException.ThrowUnless(error.Column >= 1 && error.Column <= lines[error.Line - 1].Length + 1 && !error.ToString().Contains('\n', StringComparison.Ordinal), $"a misplaced error: {error}");
        return errors.Count == 0 && entries.Count != 0;
    }

    private static string? Decode(string latin1)
    {
        try
        {
            return new UTF8Encoding(false, true).GetString(Encoding.Latin1.GetBytes(latin1));
        }
        catch (DecoderFallbackException)
        {
            return null;
        }
    }

    [GeneratedRegex(@"\A#[ \t]*@list[ \t]*\z")]
    private static partial Regex ListComment();

    [GeneratedRegex(@"[\x00-\x08\x0A-\x1F\x7F]")]
    private static partial Regex Control();

    [GeneratedRegex(@"\A(?<key>(?:\[[^\]]*\])?[^ \t:]*)[ \t]*:?[ \t]*(?<value>.*)\z", RegexOptions.Singleline)]
    private static partial Regex Entry();
}

using System.Globalization;
using System.Text;

namespace Posthouse.Server.Tables;

/// <summary>
/// Translates an extended regular expression of POSIX (IEEE 1003.1 section 9.4) into the dialect of .NET. Every literal is
/// written as an escape, so that nothing can have a second meaning there; a quantifier always applies to a group, so that
/// <c>a+?</c> stays "optional" and does not become "lazy". Beyond POSIX it knows <c>\w \s \d \b</c> and their opposites,
/// <c>\&lt; \&gt;</c>, <c>[[:&lt;:]]</c>, and a leading <c>(?i)</c>, which changes nothing because case never counts. Repetition
/// is bounded, since the automaton grows with it.
/// </summary>
public sealed class PosixPattern
{
    /// <summary>Longest expression, in characters.</summary>
    public const int MaxLength = 4096;

    private const int MaxRepeat = 255;
    private const int MaxWeight = 20_000;
    private const int MaxDepth = 50;

    private readonly string _text;
    private int _at;
    private int _depth;
    private string? _error;

    private PosixPattern(string text) => _text = text;

    private bool AtEnd => _at >= _text.Length || _error is not null;

    /// <summary>Translates <paramref name="expression"/>; false with what is wrong with it in <paramref name="error"/>.</summary>
    public static bool TryTranslate(string expression, out string pattern, out string error)
    {
        ArgumentNullException.ThrowIfNull(expression);
        pattern = "";
        if (expression.Length > MaxLength)
        {
            error = $"is longer than {MaxLength} characters";
            return false;
        }

        PosixPattern parser = new(expression.StartsWith("(?i)", StringComparison.Ordinal) ? expression[4..] : expression);
        StringBuilder output = new();
        long weight = parser.Alternatives(output);
        if (weight > MaxWeight)
            parser.Fail("repeats too much");
        error = parser._error ?? "";
        pattern = output.ToString();
        return parser._error is null;
    }

    // Each of these appends what it read and answers its weight: how many states it is worth.
    private long Alternatives(StringBuilder output)
    {
        long weight = 0;
        while (true)
        {
            weight += Branch(output);
            if (AtEnd || _text[_at] != '|')
                return weight;
            _at++;
            output.Append('|');
        }
    }

    private long Branch(StringBuilder output)
    {
        long weight = 1;
        while (!AtEnd && _text[_at] != '|' && !(_text[_at] == ')' && _depth > 0))
        {
            StringBuilder piece = new();
            long pieceWeight = Atom(piece);
            while (!AtEnd && TryQuantifier(out string quantifier, out int times))
            {
                piece.Insert(0, "(?:").Append(')').Append(quantifier);
                pieceWeight = Math.Min(pieceWeight * times, int.MaxValue);
                if (piece.Length > 16 * MaxLength)
                    Fail("repeats too much");
            }

            output.Append(piece);
            weight += pieceWeight;
        }

        return weight;
    }

    private bool TryQuantifier(out string quantifier, out int times)
    {
        quantifier = "";
        times = 1;
        switch (_text[_at])
        {
            case '*' or '+' or '?':
                quantifier = _text[_at++].ToString();
                return true;
            case '{' when _at + 1 < _text.Length && char.IsAsciiDigit(_text[_at + 1]):
                break;
            default:
                return false;
        }

        int close = _text.IndexOf('}', _at);
        string[] bounds = close < 0 ? [] : _text[(_at + 1)..close].Split(',');
        int low = 0, high = 0;
        if (bounds.Length is not (1 or 2) || !TryBound(bounds[0], out low) || (bounds.Length == 2 && bounds[1].Length > 0 && !TryBound(bounds[1], out high)))
        {
            Fail("has a malformed repetition");
            return false;
        }

        bool open = bounds.Length == 2 && bounds[1].Length == 0;
        high = bounds.Length == 1 ? low : high;
        if (!open && low > high)
        {
            Fail("has a repetition that ends before it begins");
            return false;
        }

        times = Math.Max(1, open ? low + 1 : high);
        quantifier = string.Create(CultureInfo.InvariantCulture, $"{{{low},{(open ? "" : high.ToString(CultureInfo.InvariantCulture))}}}");
        _at = close + 1;
        return true;
    }

    private static bool TryBound(string text, out int value) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value) && value <= MaxRepeat;

    private long Atom(StringBuilder output)
    {
        char c = _text[_at++];
        switch (c)
        {
            case '(':
                return Group(output);
            case '[':
                return Bracket(output);
            case '\\':
                Escape(output);
                return 1;
            case '.':
                output.Append('.');
                return 1;
            case '^':
                output.Append(@"\A");
                return 1;
            case '$':
                output.Append(@"\z");
                return 1;
            case '*' or '+' or '?':
                Fail($"has a '{c}' with nothing before it");
                return 1;
            default:
                Literal(output, c);
                return 1;
        }
    }

    private long Group(StringBuilder output)
    {
        if (++_depth > MaxDepth)
            Fail("is nested too deeply");
        output.Append("(?:");
        long weight = Alternatives(output);
        _depth--;
        if (AtEnd || _text[_at] != ')')
            Fail("has a '(' without ')'");
        else
            _at++;
        output.Append(')');
        return weight;
    }

    private void Escape(StringBuilder output)
    {
        if (_at == _text.Length)
        {
            Fail("ends in a backslash");
            return;
        }

        char c = _text[_at++];
        switch (c)
        {
            case 'w' or 'W' or 's' or 'S' or 'd' or 'D' or 'b' or 'B':
                output.Append('\\').Append(c);
                break;
            case '<' or '>':
                output.Append(@"\b");
                break;
            case '`':
                output.Append(@"\A");
                break;
            case '\'':
                output.Append(@"\z");
                break;
            case >= '1' and <= '9':
                Fail("refers back to a group, which is not supported");
                break;
            default:
                Literal(output, c);
                break;
        }
    }

    private long Bracket(StringBuilder output)
    {
        foreach (string boundary in (ReadOnlySpan<string>)["[:<:]]", "[:>:]]"])
        {
            if (_text.AsSpan(_at).StartsWith(boundary, StringComparison.Ordinal))
            {
                _at += boundary.Length;
                output.Append(@"\b");
                return 1;
            }
        }

        output.Append('[');
        if (!AtEnd && _text[_at] == '^')
        {
            _at++;
            output.Append('^');
        }

        for (bool first = true; !AtEnd && (first || _text[_at] != ']'); first = false)
        {
            if (_text.AsSpan(_at).StartsWith("[:", StringComparison.Ordinal))
            {
                Class(output);
                continue;
            }

            char low = Element();
            char high = low;
            if (_at + 1 < _text.Length && _text[_at] == '-' && _text[_at + 1] != ']')
            {
                _at++;
                high = Element();
            }

            if (high < low)
                Fail("has a range that ends before it begins");
            Literal(output, low);
            if (high != low)
            {
                output.Append('-');
                Literal(output, high);
            }
        }

        if (AtEnd)
            Fail("has a '[' without ']'");
        _at++;
        output.Append(']');
        return 1;
    }

    // One character of a bracket expression, plain or as [.x.] or [=x=]; a backslash is only itself there.
    private char Element()
    {
        char c = _text[_at++];
        if (c != '[' || AtEnd || _text[_at] is not ('.' or '='))
            return c;
        if (_at + 3 >= _text.Length || _text[_at + 2] != _text[_at] || _text[_at + 3] != ']')
        {
            Fail("has a collating element of more than one character");
            return c;
        }

        c = _text[_at + 1];
        _at += 4;
        return c;
    }

    private void Class(StringBuilder output)
    {
        int end = _text.IndexOf(":]", _at + 2, StringComparison.Ordinal);
        string? set = (end < 0 ? "" : _text[(_at + 2)..end]) switch
        {
            "alpha" or "upper" or "lower" => @"\p{L}",
            "digit" => "0-9",
            "alnum" => @"\p{L}0-9",
            "xdigit" => "0-9A-Fa-f",
            "space" => @"\s",
            "blank" => @" \t",
            "cntrl" => @"\u0000-\u001f\u007f",
            "graph" => @"\u0021-\u007e\u00a1-\uffff",
            "print" => @"\u0020-\u007e\u00a0-\uffff",
            "punct" => @"\u0021-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u007e",
            _ => null,
        };
        if (set is null)
        {
            Fail("has an unknown character class");
            return;
        }

        output.Append(set);
        _at = end + 2;
    }

    private static void Literal(StringBuilder output, char c)
    {
        if (char.IsAsciiLetterOrDigit(c))
            output.Append(c);
        else
            output.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}");
    }

    private void Fail(string error) => _error ??= error;
}

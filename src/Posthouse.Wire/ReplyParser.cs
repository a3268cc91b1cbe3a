using System.Text;

namespace Posthouse.Wire;

/// <summary>
/// Reads the replies of a server, fed with blocks cut anywhere. The server is a stranger: lines, their number and the text are bounded,
/// all lines must have the same code, and control characters become <c>?</c>, so that what ends up in logs, envelopes and notices is plain text.
/// Line ends may be LF alone.
/// </summary>
public sealed class ReplyParser
{
    /// <summary>The longest line taken, in bytes; RFC 5321 section 4.5.3.1.5 allows 512, real servers write more.</summary>
    public const int MaxLine = 4096;

    /// <summary>The most lines in one reply.</summary>
    public const int MaxLines = 200;

    private readonly byte[] _line = new byte[MaxLine];
    private readonly StringBuilder _text = new();
    private int _length;
    private int _lines;
    private int _code;
    private EnhancedCode _enhanced;
    private bool _malformed;

    /// <summary>
    /// Takes bytes up to the end of a reply; <paramref name="consumed"/> says how many. After <see cref="ReplyParseStatus.Complete"/> the parser is
    /// ready for the next one; after <see cref="ReplyParseStatus.Malformed"/> it stays so. The text of several lines is joined by <c>\n</c>.
    /// </summary>
    public ReplyParseStatus Parse(ReadOnlySpan<byte> input, out int consumed, out SmtpReply? reply)
    {
        reply = null;
        consumed = 0;
        while (!_malformed)
        {
            ReadOnlySpan<byte> rest = input[consumed..];
            int end = rest.IndexOf((byte)'\n');
            int take = end < 0 ? rest.Length : end + 1;
            if (take > _line.Length - _length)
                break;
            rest[..take].CopyTo(_line.AsSpan(_length));
            _length += take;
            consumed += take;
            if (end < 0)
                return ReplyParseStatus.Incomplete;
            if (!TryTakeLine(out bool isLast))
                break;
            if (isLast)
            {
                reply = new SmtpReply(_code, _enhanced, _text.ToString());
                Reset();
                return ReplyParseStatus.Complete;
            }
        }
        _malformed = true;
        return ReplyParseStatus.Malformed;
    }

    private bool TryTakeLine(out bool isLast)
    {
        isLast = false;
        Span<byte> line = _line.AsSpan(0, _length - 1);
        _length = 0;
        if (!line.IsEmpty && line[^1] == '\r')
            line = line[..^1];
        if (++_lines > MaxLines || line.Length < 3 || line[..3].IndexOfAnyExceptInRange((byte)'0', (byte)'9') >= 0)
            return false;
        int code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
        if (code is < 200 or > 599 || (_lines > 1 && code != _code) || (line.Length > 3 && line[3] != ' ' && line[3] != '-'))
            return false;
        _code = code;
        isLast = line.Length == 3 || line[3] == ' ';
        Append(line.Length > 4 ? line[4..] : default);
        return true;
    }

    private void Append(Span<byte> text)
    {
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] is < 32 or 127)
                text[i] = (byte)'?';
        }
        int space = text.IndexOf((byte)' ');
        ReadOnlySpan<byte> word = space < 0 ? text : text[..space];
        if (word.Length <= 9 && Ascii.IsValid(word))
        {
            Span<char> chars = stackalloc char[9];
            Encoding.ASCII.GetChars(word, chars);
            if (EnhancedCode.TryParse(chars[..word.Length], out EnhancedCode enhanced) && enhanced.Class == _code / 100
                && (_lines == 1 || enhanced == _enhanced))
            {
                _enhanced = enhanced;
                text = space < 0 ? default : text[(space + 1)..];
            }
        }
        if (_lines > 1)
            _text.Append('\n');
        int start = _text.Length;
        _text.Append(Encoding.UTF8.GetString(text));
        if (!Ascii.IsValid(text))
            PrintableText.Clean(_text, start);
    }

    private void Reset()
    {
        _text.Clear();
        _lines = 0;
        _enhanced = default;
    }
}

using System.Buffers;
using System.Text;
using Posthouse.Server.Model;

namespace Posthouse.Server.Configuration;

/// <summary>
/// Cuts the text of a configuration into tokens. A <c>$name</c> at the start of a token is replaced by the macro's value, which is
/// read as if it stood there, so that one macro may hold several tokens, and what follows it directly is glued to its end; a <c>$</c> inside
/// a value is not replaced, which bounds the work. A backslash before the end of a line joins it with the next, in comments too.
/// </summary>
internal sealed class Lexer
{
    /// <summary>The longest token, in characters.</summary>
    public const int MaxTokenLength = 8096;

    private const int End = -1;

    private static readonly SearchValues<char> s_notInWord = SearchValues.Create("(){}<>!=#,");

    private readonly DiagnosticList _diagnostics;
    private readonly Stack<Source> _included = new();
    private readonly Dictionary<string, Macro> _macros = new(StringComparer.Ordinal);
    private Source _source;
    private string? _expansion;
    private int _expansionOffset;
    private SourcePosition _expansionPosition;
    private bool _isFirst = true;
    private long _size;

    public Lexer(DiagnosticList diagnostics, string file, string text, IReadOnlyDictionary<string, string> defines)
    {
        _diagnostics = diagnostics;
        _source = new(file, text);
        _size = text.Length;
        foreach ((string name, string value) in defines)
            _macros[name] = new(value, new("-D", 1, 1), true) { IsUsed = true };
    }

    /// <summary>The name of the file being read.</summary>
    public string File => _source.File;

    /// <summary>The files being read, the innermost first.</summary>
    public IEnumerable<string> Files => _included.Select(source => source.File).Prepend(File);

    /// <summary>Reads <paramref name="text"/> before anything else; call it at the end of a statement. False: more text than is allowed.</summary>
    public bool Include(string file, string text)
    {
        if (!Grow(text.Length))
            return false;
        _included.Push(_source);
        _source = new(file, text);
        _isFirst = true;
        return true;
    }

    /// <summary>Sets a macro; one set on the command line stays.</summary>
    public void Define(string name, string value, SourcePosition position)
    {
        if (!_macros.TryGetValue(name, out Macro? old) || !old.IsFixed)
            _macros[name] = new(value, position, false) { IsUsed = old?.IsUsed ?? false };
    }

    /// <summary>Warns of every macro that nothing used.</summary>
    public void ReportUnusedMacros()
    {
        foreach ((string name, Macro macro) in _macros)
            if (!macro.IsUsed)
                _diagnostics.Warn(macro.Position, $"macro {DiagnosticList.Quote(name)} is not used");
    }

    /// <summary>The next token. After the end of everything it is the end again.</summary>
    public Token Next()
    {
        while (true)
        {
            int c = Peek();
            while (c is ' ' or '\t' or '\r' or '\ufeff')
            {
                Skip();
                c = Peek();
            }
            if (c == '#')
                c = SkipComment();

            SourcePosition position = Position;
            bool isFirst = _isFirst;
            switch (c)
            {
                case End:
                    if (_included.Count == 0)
                        return new(TokenKind.EndOfFile, "", position);
                    if (_isFirst)
                    {
                        _source = _included.Pop();
                        continue;
                    }
                    // A last line without an end has one all the same; the file itself ends after it.
                    _isFirst = true;
                    return new(TokenKind.EndOfLine, "\n", position);
                case '\n':
                    Skip();
                    _isFirst = true;
                    return new(TokenKind.EndOfLine, "\n", position);
                case '$' when !IsExpanding:
                    if (!Expand(position))
                        return new(TokenKind.Broken, "$", position, isFirst);
                    continue;
            }

            _isFirst = false;
            return c switch
            {
                '"' or '\'' => Quoted((char)c, position, isFirst),
                '=' => EqualOrArrow(position, isFirst),
                '{' => Single(TokenKind.OpenBrace, position, isFirst),
                '}' => Single(TokenKind.CloseBrace, position, isFirst),
                '<' => Single(TokenKind.Less, position, isFirst),
                '>' => Single(TokenKind.Greater, position, isFirst),
                ',' => Single(TokenKind.Comma, position, isFirst),
                '!' => Single(TokenKind.Not, position, isFirst),
                _ when IsWord((char)c) && c is not ('\\' or '$') => Word(position, isFirst),
                _ => Single(TokenKind.Other, position, isFirst),
            };
        }
    }

    private static bool IsWord(char c) => c > ' ' && c != '\u007f' && !(c is >= '\u0080' and <= '\u00a0') && !s_notInWord.Contains(c);

    private static bool IsNumber(ReadOnlySpan<char> text)
    {
        if (text[0] == '-')
            text = text[1..];
        return !text.IsEmpty && !text.ContainsAnyExceptInRange('0', '9');
    }

    private bool IsExpanding => _expansion is not null && _expansionOffset < _expansion.Length;

    private SourcePosition Position =>
        IsExpanding ? _expansionPosition : new(_source.File, _source.Line, _source.Offset - _source.LineStart + 1);

    // The next character with continued lines joined; the end of a macro's value is no character.
    private int Peek()
    {
        if (IsExpanding)
            return _expansion![_expansionOffset];
        _expansion = null;
        string text = _source.Text;
        while (_source.Offset < text.Length)
        {
            int offset = _source.Offset;
            if (text[offset] != '\\')
                return text[offset];
            if (offset + 1 < text.Length && text[offset + 1] == '\n')
                _source.NextLine(2);
            else if (offset + 2 < text.Length && text[offset + 1] == '\r' && text[offset + 2] == '\n')
                _source.NextLine(3);
            else
                return '\\';
        }
        return End;
    }

    // Past the character that Peek answered.
    private void Skip()
    {
        if (IsExpanding)
            _expansionOffset++;
        else if (_source.Text[_source.Offset] == '\n')
            _source.NextLine(1);
        else
            _source.Offset++;
    }

    private int SkipComment()
    {
        int c = Peek();
        while (c is not ('\n' or End))
        {
            Skip();
            c = Peek();
        }
        return c;
    }

    private Token Single(TokenKind kind, SourcePosition position, bool isFirst)
    {
        string text = ((char)Peek()).ToString();
        Skip();
        return new(kind, text, position, isFirst);
    }

    private Token EqualOrArrow(SourcePosition position, bool isFirst)
    {
        Skip();
        if (Peek() != '>')
            return new(TokenKind.Equal, "=", position, isFirst);
        Skip();
        return new(TokenKind.Arrow, "=>", position, isFirst);
    }

    private Token Word(SourcePosition position, bool isFirst)
    {
        var text = new StringBuilder();
        for (int c = Peek(); c != End && IsWord((char)c); c = Peek())
        {
            Skip();
            if (text.Length <= MaxTokenLength)
                text.Append((char)c);
        }
        string word = text.ToString();
        return Check(new(IsNumber(word) ? TokenKind.Number : TokenKind.Word, word, position, isFirst));
    }

    private Token Quoted(char quote, SourcePosition position, bool isFirst)
    {
        // Characters come raw here: a backslash at the end of a line is this method's business.
        var text = new StringBuilder();
        Skip();
        while (true)
        {
            int c = RawPeek();
            if (c == End)
            {
                _diagnostics.Error(position, $"unterminated string beginning {DiagnosticList.Quote(FirstLine(text))}: expected {quote} before the end of the file");
                return new(TokenKind.Broken, text.ToString(), position, isFirst);
            }
            Skip();
            if (c == quote)
                return Check(new(TokenKind.String, text.ToString(), position, isFirst));
            if (c == '\\')
            {
                int next = RawPeek();
                if (next == quote || next is ' ' or '\t')
                {
                    c = next;
                    Skip();
                }
            }
            else if (c == '\n')
            {
                RemoveContinuation(text);
                continue;
            }
            else if (c == '\r' && RawPeek() == '\n')
            {
                continue;
            }
            if (text.Length <= MaxTokenLength)
                text.Append((char)c);
        }
    }

    // A line end inside quotes vanishes, and the backslash before it.
    private static void RemoveContinuation(StringBuilder text)
    {
        if (text.Length > 0 && text[^1] == '\\')
            text.Length--;
    }

    private static string FirstLine(StringBuilder text) => text.ToString(0, Math.Min(text.Length, 24));

    private int RawPeek() =>
        IsExpanding ? _expansion![_expansionOffset] : _source.Offset < _source.Text.Length ? _source.Text[_source.Offset] : End;

    private Token Check(Token token)
    {
        if (token.Text.Length > MaxTokenLength)
        {
            _diagnostics.Error(token.Position, $"{DiagnosticList.Quote(token.Text)} is too long: expected at most {MaxTokenLength} characters");
            return token with { Kind = TokenKind.Broken };
        }
        string? wrong = null;
        foreach (char c in token.Text)
        {
            if (c == '\ufffd')
                wrong ??= "bytes that are not UTF-8: expected UTF-8";
            else if (char.IsControl(c) && c != '\t')
                wrong ??= "a control character: expected printable text";
            else if (token.Kind == TokenKind.Word && c is '\u2018' or '\u2019' or '\u201c' or '\u201d')
                wrong ??= "a typographic quote: expected \" or '";
        }
        if (wrong is not null)
        {
            _diagnostics.Error(token.Position, $"{DiagnosticList.Quote(token.Text)} holds {wrong}");
            return token with { Kind = TokenKind.Broken };
        }
        return token;
    }

    private bool Expand(SourcePosition position)
    {
        Skip();
        var text = new StringBuilder();
        for (int c = Peek(); c is not End && (char.IsAsciiLetterOrDigit((char)c) || c == '_'); c = Peek())
        {
            Skip();
            if (text.Length < MaxTokenLength)
                text.Append((char)c);
        }
        string name = text.ToString();
        if (!_macros.TryGetValue(name, out Macro? macro))
        {
            _diagnostics.Error(position, name.Length == 0
                ? "\"$\" stands alone: expected the name of a macro after it"
                : $"macro {DiagnosticList.Quote(name)} is not defined: expected {name} = value before its use");
            return false;
        }
        macro.IsUsed = true;
        if (!Grow(macro.Value.Length))
        {
            _diagnostics.Error(position, "macros expand to too much text");
            return false;
        }
        _expansion = macro.Value;
        _expansionOffset = 0;
        _expansionPosition = position;
        return true;
    }

    private bool Grow(int length) => (_size += length) <= ConfigurationParser.MaxSize;

    private sealed class Source(string file, string text)
    {
        public string File { get; } = file;

        public string Text { get; } = text;

        public int Offset { get; set; }

        public int Line { get; private set; } = 1;

        public int LineStart { get; private set; }

        public void NextLine(int skip)
        {
            Offset += skip;
            Line++;
            LineStart = Offset;
        }
    }

    private sealed record Macro(string Value, SourcePosition Position, bool IsFixed)
    {
        public bool IsUsed { get; set; }
    }
}

using System.Buffers;
using System.Globalization;
using Posthouse.Server.Model;

namespace Posthouse.Server.Configuration;

/// <summary>
/// The grammar, by recursive descent, one statement a line. The first syntax error of a statement sets <see cref="_failed"/>; from then on nothing is
/// accepted and nothing more reported until the statement's end, where reading goes on. So a method that reads may
/// go straight on and need not ask after each step; only loops ask. What a statement means is checked at once, because everything must be declared before its use.
/// </summary>
internal sealed partial class StatementParser
{
    private static readonly SearchValues<char> s_macroNameCharacters =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");

    private readonly Lexer _lexer;
    private readonly DiagnosticList _diagnostics;
    private readonly IConfigurationEnvironment _environment;
    private Token _token;
    private int _depth;
    private bool _failed;

    public StatementParser(Lexer lexer, DiagnosticList diagnostics, IConfigurationEnvironment environment)
    {
        _lexer = lexer;
        _diagnostics = diagnostics;
        _environment = environment;
        _token = lexer.Next();
    }

    /// <summary>Reads everything; null when there are errors.</summary>
    public ServerConfiguration? Parse()
    {
        while (_token.Kind != TokenKind.EndOfFile && !_diagnostics.IsFull)
        {
            if (_token.Kind == TokenKind.EndOfLine)
            {
                Advance();
                continue;
            }
            _depth = 0;
            _failed = false;
            Statement();
            if (!_failed && !_token.IsEnd)
                Fail("the end of the line");
            if (_failed)
                Recover();
            if (_pendingInclude is { } path && !_failed)
                Include(path);
            _pendingInclude = null;
        }
        return Finish();
    }

    private void Statement()
    {
        Token first = _token;
        if (first.IsText)
            Advance();
        if (first.IsText && _token.Kind == TokenKind.Equal)
        {
            MacroDefinition(first);
            return;
        }
        switch (first.Kind == TokenKind.Word ? first.Text : "")
        {
            case "action": ActionStatement(first.Position); break;
            case "admd": AdmdStatement(); break;
            case "bounce": BounceStatement(); break;
            case "ca": CaStatement(first.Position); break;
            case "filter": FilterStatement(first.Position); break;
            case "include": IncludeStatement(); break;
            case "listen": ListenStatement(first.Position); break;
            case "match": MatchStatement(first.Position); break;
            case "mda": MdaStatement(); break;
            case "mta": MtaStatement(); break;
            case "pki": PkiStatement(first.Position); break;
            case "proc": ProcStatement(first.Position); break;
            case "queue": QueueStatement(first.Position); break;
            case "resolver": ResolverStatement(); break;
            case "scheduler": SchedulerStatement(first.Position); break;
            case "smtp": SmtpStatement(); break;
            case "srs": SrsStatement(first.Position); break;
            case "table": TableStatement(first.Position); break;
            case "accept" or "reject": FailAt(first, "match … action NAME or match … reject: the language of OpenSMTPD before 6.4 is not read"); break;
            default: FailAt(first, "a statement (action, listen, match, table, …) or name = value"); break;
        }
    }

    private void MacroDefinition(Token name)
    {
        Advance();
        if (!name.Text.AsSpan().ContainsAnyExcept(s_macroNameCharacters) && name.Text.Length > 0)
        {
            string value = Text("the value of the macro, in quotes if it has spaces", allowReserved: true);
            if (!_failed)
                _lexer.Define(name.Text, value, name.Position);
            return;
        }
        // OpenSMTPD takes any name here although $ could only ever find these.
        Text("the value of the macro", allowReserved: true);
        _diagnostics.Warn(name.Position, $"macro {name.Describe()} can never be used: expected a name of letters, digits and _");
    }

    // Reading and expecting.

    private void Advance()
    {
        if (_token.Kind == TokenKind.OpenBrace)
            _depth++;
        else if (_token.Kind == TokenKind.CloseBrace && _depth > 0)
            _depth--;
        _token = _lexer.Next();
    }

    private bool At(string keyword) => !_failed && _token.Is(keyword);

    private bool Accept(string keyword)
    {
        if (!At(keyword))
            return false;
        Advance();
        return true;
    }

    private bool Accept(TokenKind kind)
    {
        if (_failed || _token.Kind != kind)
            return false;
        Advance();
        return true;
    }

    private void Expect(string keyword)
    {
        if (!Accept(keyword))
            Fail(DiagnosticList.Quote(keyword));
    }

    private void Expect(TokenKind kind, string what)
    {
        if (!Accept(kind))
            Fail(what);
    }

    /// <summary>Text that must be there. A reserved word must be quoted unless the grammar leaves no doubt.</summary>
    private string Text(string what, bool allowReserved = false)
    {
        if (_failed)
            return "";
        Token token = _token;
        if (!token.IsText)
        {
            Fail(what);
            return "";
        }
        if (!allowReserved && IsReserved(token))
        {
            Fail($"{what} (a reserved word must be quoted)");
            return "";
        }
        Advance();
        return token.Text;
    }

    /// <summary>A name that is declared here: any text but an empty one.</summary>
    private string Name(string what)
    {
        if (!_failed && _token is { IsText: true, Text: "" })
            Fail(what);
        return Text(what, allowReserved: true);
    }

    /// <summary>Text that may be there: null if not.</summary>
    private string? OptionalText() => !_failed && _token.IsText && !IsReserved(_token) ? Text("") : null;

    private static bool IsReserved(Token token) => token.Kind == TokenKind.Word && Keywords.Reserved.Contains(token.Text);

    private long Number(string what, long min, long max)
    {
        if (_failed)
            return min;
        if (_token.IsText && long.TryParse(_token.Text, NumberStyles.None, CultureInfo.InvariantCulture, out long value) && value >= min && value <= max)
        {
            Advance();
            return value;
        }
        Fail(max >= int.MaxValue ? $"a number from {min} for {what}" : $"a number from {min} to {max} for {what}");
        return min;
    }

    private int Count(string what, int min = 0) => (int)Number(what, min, int.MaxValue);

    private TimeSpan Delay(string what)
    {
        if (_failed)
            return default;
        if (_token.IsText && Units.TryParseDelay(_token.Text, out TimeSpan delay))
        {
            Advance();
            return delay;
        }
        Fail($"a number and one of s, m, h, d, such as 4h, for {what}");
        return default;
    }

    private long Size(string what, long min, long max)
    {
        if (_failed)
            return min;
        if (_token.IsText && Units.TryParseSize(_token.Text, out long size) && size >= min && size <= max)
        {
            Advance();
            return size;
        }
        Fail($"a size such as 35M for {what}" + (max == long.MaxValue ? "" : $", from {min} to {max} bytes"));
        return min;
    }

    /// <summary>Notes that the current option was given; a second time is an error, reported where it stands.</summary>
    private void Once(HashSet<string> seen, Token option, string? name = null)
    {
        if (!seen.Add(name ?? option.Text) && !_failed)
            _diagnostics.Error(option.Position, $"{option.Describe()} is given twice: expected it once");
    }

    // Failing and going on.

    private void Fail(string expected) => FailAt(_token, expected);

    private void FailAt(Token token, string expected)
    {
        if (!_failed && token.Kind != TokenKind.Broken)
            _diagnostics.Error(token.Position, $"unexpected {token.Describe()}: expected {expected}");
        _failed = true;
    }

    private void Error(SourcePosition position, string message) => _diagnostics.Error(position, message);

    private void Warn(SourcePosition position, string message) => _diagnostics.Warn(position, message);

    private static string Quote(string text) => DiagnosticList.Quote(text);

    // To the end of the statement: of the line, or where braces are open of the line that closes them, but never past a line that begins as a statement does.
    private void Recover()
    {
        while (_token.Kind != TokenKind.EndOfFile)
        {
            if (_token.Kind == TokenKind.EndOfLine && _depth == 0)
                return;
            if (_token.IsFirst && BeginsStatement(_token) && _depth > 0)
                return;
            Advance();
        }
    }

    private static bool BeginsStatement(Token token) => token.IsFirst && token.Kind == TokenKind.Word && Keywords.Statements.Contains(token.Text);
}

using CsCheck;
using Posthouse.Server.Configuration;

namespace Posthouse.Tests.Configuration;

public class LexerTests
{
    private static readonly Dictionary<string, string> s_noDefines = [];

    private static List<Token> Tokens(string text, Dictionary<string, string>? defines = null, DiagnosticList? diagnostics = null)
    {
        var lexer = new Lexer(diagnostics ?? new DiagnosticList(), "f", text, defines ?? s_noDefines);
        var tokens = new List<Token>();
        for (Token token = lexer.Next(); token.Kind != TokenKind.EndOfFile; token = lexer.Next())
            tokens.Add(token);
        return tokens;
    }

    private static string Shape(string text, Dictionary<string, string>? defines = null) =>
        string.Join(' ', Tokens(text, defines).Select(token => token.Kind switch
        {
            TokenKind.Word => $"w:{token.Text}",
            TokenKind.String => $"s:{token.Text}",
            TokenKind.Number => $"n:{token.Text}",
            TokenKind.EndOfLine => "EOL",
            TokenKind.Broken => "BROKEN",
            TokenKind.Other => $"other:{token.Text}",
            _ => token.Text,
        }));

    [Theory]
    [InlineData("listen on lo0 port 25", "w:listen w:on w:lo0 w:port n:25")]
    [InlineData("a@b.org smtp+tls://l@h:587 10.0.0.0/8 4h -5", "w:a@b.org w:smtp+tls://l@h:587 w:10.0.0.0/8 w:4h n:-5")]
    [InlineData("file:/etc/mail/aliases :x _y", "w:file:/etc/mail/aliases w::x w:_y")]
    [InlineData("/etc/x @dom * +x [::1] ~/m", "w:/etc/x w:@dom w:* w:+x w:[::1] w:~/m")]
    [InlineData("<t>{a,b}!c=d=>e", "< w:t > { w:a , w:b } ! w:c = w:d => w:e")]
    [InlineData("a # b\nc", "w:a EOL w:c")]
    [InlineData("a#b", "w:a")]
    [InlineData("a \\\n b", "w:a w:b")]
    [InlineData("a\\\nb", "w:ab")]
    [InlineData("# a \\\n b\nc", "EOL w:c")]
    [InlineData("a \\\r\n b\r\nc", "w:a w:b EOL w:c")]
    [InlineData("\"a b\" 'c \"d'", "s:a b s:c \"d")]
    [InlineData("\"a\\\"b\"", "s:a\"b")]
    [InlineData("\"a\\ b\\nc\\\\d\"", "s:a b\\nc\\\\d")]
    [InlineData("\"a \\\n  b\"", "s:a   b")]
    [InlineData("\"a\nb\"", "s:ab")]
    [InlineData("'a\\'b\\\"c'", "s:a'b\\\"c")]
    [InlineData("\"#no comment\"", "s:#no comment")]
    [InlineData("\"\"", "s:")]
    [InlineData("(x)", "other:( w:x other:)")]
    [InlineData("a \\ b", "w:a other:\\ w:b")]
    [InlineData("25, 25} 25m 1-2", "n:25 , n:25 } w:25m w:1-2")]
    [InlineData("\ufeffa", "w:a")]
    [InlineData("", "")]
    public void Text_is_cut_into_tokens(string text, string expected) => Assert.Equal(expected, Shape(text));

    [Theory]
    [InlineData("$m x", "w:a s:b c w:x")]
    [InlineData("$m", "w:a s:b c")]
    [InlineData("$p/x", "w:/etc/mail/x")]
    [InlineData("$p:x $p.y", "w:/etc/mail:x w:/etc/mail.y")]
    [InlineData("x$m", "w:x$m")]
    [InlineData("\"$m\"", "s:$m")]
    [InlineData("$d", "other:$ w:m")]
    [InlineData("$e x", "w:x")]
    [InlineData("$h x\ny", "EOL w:y")]
    [InlineData("<$p>", "< w:/etc/mail >")]
    public void Macros_are_read_where_a_token_begins(string text, string expected) => Assert.Equal(expected, Shape(text, new()
    {
        ["m"] = "a \"b c\"",
        ["p"] = "/etc/mail",
        ["d"] = "$m",
        ["e"] = "",
        ["h"] = "# all comment",
    }));

    [Theory]
    [InlineData("a \"b", 1, 3, "unterminated")]
    [InlineData("a\nb $none", 2, 3, "\"none\" is not defined")]
    [InlineData("$ x", 1, 1, "stands alone")]
    [InlineData("a \"\u0001\"", 1, 3, "control character")]
    [InlineData("a b\ufffd", 1, 3, "not UTF-8")]
    [InlineData("a \u201clocal\u201d", 1, 3, "typographic quote")]
    public void What_is_no_token_is_named_with_its_place(string text, int line, int column, string what)
    {
        var diagnostics = new DiagnosticList();
        Assert.Contains(Tokens(text, null, diagnostics), token => token.Kind == TokenKind.Broken);
        Diagnostic only = Assert.Single(diagnostics.Items);
        Assert.Equal(new("f", line, column), only.Position);
        Assert.Contains(what, only.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Quoted_text_shows_what_cannot_be_seen_and_is_cut()
    {
        Assert.Equal("\"a b\\u000a\\u00a0\\u202eü\"", DiagnosticList.Quote("a b\n\u00a0\u202eü"));
        Assert.Equal($"\"{new string('x', 80)}…\"", DiagnosticList.Quote(new string('x', 81)));
    }

    [Fact]
    public void A_token_has_at_most_8096_characters()
    {
        var diagnostics = new DiagnosticList();
        Assert.Equal(TokenKind.Word, Tokens(new string('a', 8096), null, diagnostics)[0].Kind);
        Assert.Empty(diagnostics.Items);
        Assert.Equal([TokenKind.Broken, TokenKind.Word], Tokens(new string('a', 8097) + " b", null, diagnostics).Select(token => token.Kind));
        Assert.Equal([TokenKind.Broken, TokenKind.Word], Tokens($"\"{new string('a', 8097)}\" b", null, diagnostics).Select(token => token.Kind));
        Assert.Equal(2, diagnostics.Items.Count);
    }

    [Fact]
    public void Tokens_know_their_places_and_those_of_a_macro_its_use()
    {
        List<Token> tokens = Tokens("a  b\n\t$m \\\n c", new() { ["m"] = "x y" });
        Assert.Equal(
            [("a", 1, 1), ("b", 1, 4), ("\n", 1, 5), ("x", 2, 2), ("y", 2, 2), ("c", 3, 2)],
            tokens.Select(token => (token.Text, token.Position.Line, token.Position.Column)));
        Assert.Equal([true, false, false, true, false, false], tokens.Select(token => token.IsFirst));
    }

    [Fact]
    public void A_printed_token_is_read_back()
    {
        // The language cannot write a quoted string that ends in a backslash, or holds a line end.
        Gen<string> strings = Gen.String[Gen.OneOf(Gen.Char[' ', '~'], Gen.Char.AlphaNumeric, Gen.Char["\"'\\ \t$#ü"]), 0, 40];
        strings.Where(text => !text.EndsWith('\\')).Sample(text =>
        {
            var token = new Token(TokenKind.String, text, default);
            Token read = Assert.Single(Tokens(token.Print()));
            Assert.Equal((TokenKind.String, text), (read.Kind, read.Text));
        });
    }

    [Fact]
    public void Any_text_printed_token_by_token_is_read_as_the_same_tokens()
    {
        Gen.String[Gen.OneOf(Gen.Char[' ', '~'], Gen.Char["\n\\\"{}<>=!, "]), 0, 60].Sample(text =>
        {
            var diagnostics = new DiagnosticList();
            List<Token> tokens = Tokens(text, null, diagnostics);
            if (diagnostics.HasErrors || tokens.Any(token => token.Text.EndsWith('\\')))
                return;
            string printed = string.Join(' ', tokens.Select(token => token.Print()));
            Assert.Equal(tokens.Select(token => (token.Kind, token.Text)), Tokens(printed).Select(token => (token.Kind, token.Text)));
        });
    }

    [Theory]
    [InlineData("1s", 1)]
    [InlineData("90m", 5400)]
    [InlineData("4h", 14400)]
    [InlineData("4d", 345600)]
    [InlineData("2147483647s", 2147483647)]
    public void Delays_are_read(string text, long seconds)
    {
        Assert.True(Units.TryParseDelay(text, out TimeSpan delay));
        Assert.Equal(TimeSpan.FromSeconds(seconds), delay);
    }

    [Theory]
    [InlineData("")]
    [InlineData("4")]
    [InlineData("0h")]
    [InlineData("-1h")]
    [InlineData("1w")]
    [InlineData("1h30m")]
    [InlineData("2147483648s")]
    [InlineData("99999999999999999999d")]
    [InlineData("h")]
    public void What_is_no_delay_is_refused(string text) => Assert.False(Units.TryParseDelay(text, out _));

    [Theory]
    [InlineData("0", 0)]
    [InlineData("35M", 36700160)]
    [InlineData("1.5g", 1610612736)]
    [InlineData("10k", 10240)]
    [InlineData("7B", 7)]
    [InlineData("1E", 1L << 60)]
    public void Sizes_are_read(string text, long bytes)
    {
        Assert.True(Units.TryParseSize(text, out long size));
        Assert.Equal(bytes, size);
    }

    [Theory]
    [InlineData("")]
    [InlineData("M")]
    [InlineData("-1")]
    [InlineData("1.5")]
    [InlineData("8E")]
    [InlineData("99999999999999999999999999E")]
    [InlineData("1X")]
    public void What_is_no_size_is_refused(string text) => Assert.False(Units.TryParseSize(text, out _));
}

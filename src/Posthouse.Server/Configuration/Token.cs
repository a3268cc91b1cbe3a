using Posthouse.Server.Model;

namespace Posthouse.Server.Configuration;

/// <summary>One token of a configuration.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Text">Its text, without quotes.</param>
/// <param name="Position">Where it begins; inside a macro's value, where the macro is used.</param>
/// <param name="IsFirst">Whether it is the first of its line.</param>
internal readonly record struct Token(TokenKind Kind, string Text, SourcePosition Position, bool IsFirst = false)
{
    public bool IsEnd => Kind is TokenKind.EndOfLine or TokenKind.EndOfFile;

    public bool IsText => Kind is TokenKind.Word or TokenKind.String or TokenKind.Number;

    /// <summary>Whether it is that keyword; quoted text never is.</summary>
    public bool Is(string keyword) => Kind == TokenKind.Word && string.Equals(Text, keyword, StringComparison.Ordinal);

    /// <summary>The token as text that this lexer reads back as the same token.</summary>
    public string Print() => Kind switch
    {
        TokenKind.String => PrintString(),
        TokenKind.EndOfLine => "\n",
        TokenKind.EndOfFile => "",
        _ => Text,
    };

    /// <summary>The token as a message names it.</summary>
    public string Describe() => Kind switch
    {
        TokenKind.EndOfLine => "the end of the line",
        TokenKind.EndOfFile => "the end of the file",
        _ => DiagnosticList.Quote(Text),
    };

    // Only a quote, and a backslash before one or at the end, must be escaped; a backslash before a space or tab eats itself.
    private string PrintString()
    {
        var text = new System.Text.StringBuilder("\"");
        for (int i = 0; i < Text.Length; i++)
        {
            char c = Text[i];
            if (c == '"' || (c is ' ' or '\t' && i > 0 && Text[i - 1] == '\\'))
                text.Append('\\');
            text.Append(c);
        }
        return text.Append('"').ToString();
    }
}

namespace Posthouse.Server.Configuration;

/// <summary>What a token is.</summary>
internal enum TokenKind
{
    /// <summary>Unquoted text: a keyword where the grammar has one, a string elsewhere.</summary>
    Word,

    /// <summary>Quoted text: never a keyword.</summary>
    String,

    /// <summary>Unquoted digits, possibly after a minus.</summary>
    Number,

    /// <summary><c>{</c></summary>
    OpenBrace,

    /// <summary><c>}</c></summary>
    CloseBrace,

    /// <summary><c>&lt;</c></summary>
    Less,

    /// <summary><c>&gt;</c></summary>
    Greater,

    /// <summary><c>=</c></summary>
    Equal,

    /// <summary><c>=&gt;</c></summary>
    Arrow,

    /// <summary><c>,</c></summary>
    Comma,

    /// <summary><c>!</c></summary>
    Not,

    /// <summary>The end of a line, or of an included file.</summary>
    EndOfLine,

    /// <summary>The end of everything.</summary>
    EndOfFile,

    /// <summary>A character that begins no token.</summary>
    Other,

    /// <summary>What the lexer has reported already.</summary>
    Broken,
}

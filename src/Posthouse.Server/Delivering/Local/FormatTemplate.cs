using System.Text;

namespace Posthouse.Server.Delivering.Local;

/// <summary>
/// A text with format specifiers, cut into pieces: literal text and <c>%{…}</c>. <c>%%</c> is a percent sign; any other
/// percent sign is itself.
/// </summary>
internal sealed class FormatTemplate
{
    /// <summary>Longest result in bytes.</summary>
    internal const int MaxResult = 1023;

    private FormatTemplate(List<Piece> pieces) => Pieces = pieces;

    /// <summary>The pieces in order.</summary>
    internal IReadOnlyList<Piece> Pieces { get; }

    /// <summary>What the result depends on besides the user.</summary>
    internal GrantScope Scope => Pieces.Aggregate(GrantScope.User, static (scope, piece) => scope | (piece.Specifier?.Scope ?? GrantScope.User));

    /// <summary>Cuts up a text; null with an <paramref name="error"/>.</summary>
    internal static FormatTemplate? Parse(string text, out string? error)
    {
        List<Piece> pieces = [];
        StringBuilder literal = new();
        error = null;
        for (int i = 0; i < text.Length; i++)
        {
            char next = i + 1 < text.Length ? text[i + 1] : '\0';
            if (text[i] == '%' && next == '{')
            {
                int close = text.IndexOf('}', i);
                if (close < 0)
                {
                    error = "a format specifier has no end";
                    return null;
                }
                if (FormatSpecifier.Parse(text[(i + 2)..close], out error) is not { } specifier) return null;
                if (literal.Length > 0) pieces.Add(new(literal.ToString(), null));
                literal.Clear();
                pieces.Add(new("", specifier));
                i = close;
            }
            else
            {
                literal.Append(text[i]);
                if (text[i] == '%' && next == '%') i++;
            }
        }
        if (literal.Length > 0) pieces.Add(new(literal.ToString(), null));
        return new(pieces);
    }

    /// <summary>
    /// Expands a path. A value out of the mail may be a part of one component: it can hold no slash and be no <c>..</c>,
    /// so that no address leads out of the directory that the administrator wrote.
    /// </summary>
    internal string? ExpandPath(FormatValues values, out string? error)
    {
        StringBuilder result = new();
        bool strange = false;
        error = null;
        foreach (Piece piece in Pieces)
        {
            if (piece.Specifier is null)
            {
                result.Append(piece.Literal);
                continue;
            }
            if (piece.Specifier.Evaluate(values, out error) is not { } value) return null;
            if (piece.Specifier.IsFromMail || piece.Specifier.Name == "user.username")
            {
                strange = true;
                if (value.Contains('/'))
                {
                    error = $"%{{{piece.Specifier.Name}}} holds a slash and cannot be in a path";
                    return null;
                }
            }
            result.Append(value);
        }
        string path = result.ToString();
        if (path.StartsWith("~/", StringComparison.Ordinal)) path = values.UserDirectory + path[1..];
        else if (!path.StartsWith('/')) path = $"{values.UserDirectory}/{path}";
        if (strange && path.Split('/').Any(static component => component is ".." or "."))
        {
            error = "the expanded path leaves its directory";
            return null;
        }
        if (Encoding.UTF8.GetByteCount(path) <= MaxResult) return path;
        error = "the expanded path is too long";
        return null;
    }

    /// <summary>Literal text, or a specifier.</summary>
    internal readonly record struct Piece(string Literal, FormatSpecifier? Specifier);
}

namespace Posthouse.Server.Configuration;

/// <summary>The include statement.</summary>
internal sealed partial class StatementParser
{
    private const int MaxIncludes = 1000;

    private Token? _pendingInclude;
    private int _includes;

    private void IncludeStatement()
    {
        Token token = _token;
        string path = Text("the path of a file");
        if (!_failed)
            _pendingInclude = token with { Text = path };
    }

    // Called when the statement has ended and its end of line is the current token, so that the file comes next.
    private void Include(Token path)
    {
        foreach (string candidate in IncludeCandidates(path.Text))
        {
            if (_lexer.Files.Contains(candidate, StringComparer.Ordinal))
            {
                Error(path.Position, $"{path.Describe()} includes itself: expected another file");
                return;
            }
            if (!_environment.FileExists(candidate))
                continue;
            if (_lexer.Files.Count() > ConfigurationParser.MaxIncludeDepth || ++_includes > MaxIncludes)
            {
                Error(path.Position, $"cannot include {path.Describe()}: expected at most {ConfigurationParser.MaxIncludeDepth} files within each other and {MaxIncludes} in all");
                return;
            }
            FileText file = _environment.ReadFile(candidate);
            if (file.Text is null)
                Error(path.Position, $"cannot include {path.Describe()}: {file.Error}");
            else if (!_lexer.Include(candidate, file.Text))
                Error(path.Position, $"cannot include {path.Describe()}: the configuration is too long");
            else if (_token.Kind == TokenKind.EndOfFile)
                _token = _token with { Kind = TokenKind.EndOfLine };
            return;
        }
        Error(path.Position, $"cannot include {path.Describe()}: expected a file at {string.Join(" or ", IncludeCandidates(path.Text))}");
    }

    // Beside the file that includes it, then in the working directory, where OpenSMTPD looks.
    private List<string> IncludeCandidates(string path)
    {
        if (path.StartsWith('/'))
            return [path];
        string? folder = Path.GetDirectoryName(_lexer.File);
        return string.IsNullOrEmpty(folder) ? [path] : [$"{folder}/{path}", path];
    }
}

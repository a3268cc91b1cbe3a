namespace Posthouse.Server.Tables;

/// <summary>Something wrong in a table's file: where (counted from 1; 0 when it is the file itself), the offending text, and what was expected.</summary>
public sealed record TableFileError(string Path, int Line, int Column, string Text, string Expected)
{
    /// <summary>The error in one line: <c>/etc/mail/aliases:3:7: expected a value after the key, found "root"</c>.</summary>
    public override string ToString() => Line == 0
        ? $"{Path}: {Expected}"
        : $"{Path}:{Line}:{Column}: expected {Expected}, found \"{Text}\"";
}

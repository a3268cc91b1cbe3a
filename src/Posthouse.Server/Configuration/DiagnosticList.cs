using System.Globalization;
using System.Text;
using Posthouse.Server.Model;

namespace Posthouse.Server.Configuration;

/// <summary>Collects what is wrong with a configuration, and quotes text of strangers so that it cannot forge a line.</summary>
internal sealed class DiagnosticList
{
    /// <summary>After so many errors, and so many warnings, no more are collected: a file that is no configuration at all would fill the screen.</summary>
    public const int MaxCount = 200;

    private readonly List<Diagnostic> _items = [];
    private int _errors;
    private int _warnings;

    public IReadOnlyList<Diagnostic> Items => _items;

    public bool HasErrors => _errors != 0;

    /// <summary>No more errors are collected, so that there is no use in reading on. Warnings alone never stop the reading: what follows them counts.</summary>
    public bool IsFull => _errors >= MaxCount;

    public void Error(SourcePosition position, string message) => Add(new(position, DiagnosticSeverity.Error, message), ++_errors, "errors");

    public void Warn(SourcePosition position, string message) => Add(new(position, DiagnosticSeverity.Warning, message), ++_warnings, "warnings");

    /// <summary>In double quotes, with what cannot be seen escaped, and at most 80 characters of it.</summary>
    public static string Quote(string text)
    {
        var quoted = new StringBuilder("\"");
        foreach (char c in text.AsSpan(0, Math.Min(text.Length, 80)))
        {
            if (char.IsControl(c) || char.IsSurrogate(c) || (char.IsWhiteSpace(c) && c != ' ') || char.GetUnicodeCategory(c) == UnicodeCategory.Format)
                quoted.Append($"\\u{(int)c:x4}");
            else
                quoted.Append(c);
        }
        return quoted.Append(text.Length > 80 ? "…\"" : "\"").ToString();
    }

    private void Add(Diagnostic diagnostic, int count, string what)
    {
        if (count <= MaxCount)
            _items.Insert(PlaceOf(diagnostic.Position), diagnostic);
        else if (count == MaxCount + 1)
            _items.Add(diagnostic with { Message = $"too many {what}; the rest is not reported" });
    }

    // A statement is checked as a whole when it has been read; its diagnostics are still told from left to right.
    private int PlaceOf(SourcePosition position)
    {
        int place = _items.Count;
        while (place > 0 && _items[place - 1].Position is { } before && before.File == position.File && before.Line == position.Line && before.Column > position.Column)
            place--;
        return place;
    }
}

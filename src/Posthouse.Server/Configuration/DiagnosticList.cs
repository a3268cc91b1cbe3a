using System.Globalization;
using System.Text;
using Posthouse.Server.Model;

namespace Posthouse.Server.Configuration;

/// <summary>Collects what is wrong with a configuration, and quotes text of strangers so that it cannot forge a line.</summary>
internal sealed class DiagnosticList
{
    /// <summary>After so many nothing more is collected: a file that is no configuration at all would fill the screen.</summary>
    public const int MaxCount = 200;

    private readonly List<Diagnostic> _items = [];

    public IReadOnlyList<Diagnostic> Items => _items;

    public bool HasErrors { get; private set; }

    public bool IsFull => _items.Count >= MaxCount;

    public void Error(SourcePosition position, string message)
    {
        HasErrors = true;
        Add(new(position, DiagnosticSeverity.Error, message));
    }

    public void Warn(SourcePosition position, string message) => Add(new(position, DiagnosticSeverity.Warning, message));

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

    private void Add(Diagnostic diagnostic)
    {
        if (_items.Count < MaxCount)
            _items.Insert(PlaceOf(diagnostic.Position), diagnostic);
        else if (_items.Count == MaxCount)
            _items.Add(new(diagnostic.Position, DiagnosticSeverity.Error, "too many errors; the rest is not reported"));
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

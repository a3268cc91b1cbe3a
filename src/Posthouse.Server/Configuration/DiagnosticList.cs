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

    /// <summary>In double quotes, with control characters escaped, and at most 80 characters of it.</summary>
    public static string Quote(string text)
    {
        var quoted = new StringBuilder("\"");
        foreach (char c in text.AsSpan(0, Math.Min(text.Length, 80)))
        {
            if (char.IsControl(c) || char.IsSurrogate(c) || c is '\u2028' or '\u2029')
                quoted.Append($"\\u{(int)c:x4}");
            else
                quoted.Append(c);
        }
        return quoted.Append(text.Length > 80 ? "…\"" : "\"").ToString();
    }

    private void Add(Diagnostic diagnostic)
    {
        if (_items.Count < MaxCount)
            _items.Add(diagnostic);
        else if (_items.Count == MaxCount)
            _items.Add(new(diagnostic.Position, DiagnosticSeverity.Error, "too many errors; the rest is not reported"));
    }
}

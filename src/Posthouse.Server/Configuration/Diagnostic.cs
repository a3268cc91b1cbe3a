using System.Text.Json;
using Posthouse.Server.Model;

namespace Posthouse.Server.Configuration;

/// <summary>Something wrong with a configuration: where, how bad, what the offending text is and what was expected.</summary>
public sealed record Diagnostic(SourcePosition Position, DiagnosticSeverity Severity, string Message)
{
    /// <summary>Whether it makes the configuration unusable.</summary>
    public bool IsError => Severity == DiagnosticSeverity.Error;

    /// <summary><c>file:line:column: error: message</c>, one line.</summary>
    public override string ToString() => $"{Position}: {(IsError ? "error" : "warning")}: {Message}";

    /// <summary>A JSON array of objects with file, line, column, severity ("error" or "warning") and message.</summary>
    public static string ToJson(IEnumerable<Diagnostic> diagnostics) => JsonSerializer.Serialize(
        [.. diagnostics.Select(each => new DiagnosticRecord(
            each.Position.File, each.Position.Line, each.Position.Column, each.IsError ? "error" : "warning", each.Message))],
        DiagnosticJsonContext.Default.DiagnosticRecordArray);
}

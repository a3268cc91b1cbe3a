using System.Text.Json.Serialization;

namespace Posthouse.Server.Configuration;

/// <summary>A diagnostic as <c>check --json</c> prints it.</summary>
internal sealed record DiagnosticRecord(string File, int Line, int Column, string Severity, string Message);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(DiagnosticRecord[]))]
internal sealed partial class DiagnosticJsonContext : JsonSerializerContext;

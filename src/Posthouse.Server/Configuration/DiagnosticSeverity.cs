namespace Posthouse.Server.Configuration;

/// <summary>How bad a diagnostic is.</summary>
public enum DiagnosticSeverity
{
    /// <summary>The configuration stands; the administrator should look.</summary>
    Warning,

    /// <summary>The configuration is refused.</summary>
    Error,
}

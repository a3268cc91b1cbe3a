namespace Posthouse.Server.Configuration;

/// <summary>What came of reading a configuration.</summary>
/// <param name="Configuration">The configuration; null when there are errors.</param>
/// <param name="Diagnostics">Every error and warning, in the order in which they were found.</param>
public sealed record ConfigurationResult(ServerConfiguration? Configuration, IReadOnlyList<Diagnostic> Diagnostics)
{
    /// <summary>Whether there are no errors; there may be warnings.</summary>
    public bool IsValid => Configuration is not null;
}

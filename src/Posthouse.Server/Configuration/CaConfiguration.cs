using Posthouse.Server.Model;

namespace Posthouse.Server.Configuration;

/// <summary>A <c>ca NAME cert PATH</c> statement.</summary>
/// <param name="Name">A host name or <c>*</c>, in lower case.</param>
/// <param name="CertificatePath">The bundle of authorities, a PEM file.</param>
public sealed record CaConfiguration(string Name, string CertificatePath)
{
    /// <summary>Where it stands.</summary>
    public SourcePosition Position { get; init; }
}

using Posthouse.Server.Model;

namespace Posthouse.Server.Configuration;

/// <summary>The <c>pki NAME …</c> statements of one name.</summary>
/// <param name="Name">A host name or <c>*</c>, in lower case. Certificates are chosen by the names inside them, not by this one.</param>
/// <param name="CertificatePath">The certificate chain, a PEM file.</param>
/// <param name="KeyPath">The private key, a PEM file.</param>
/// <param name="Dhe">The size of ephemeral keys.</param>
public sealed record PkiConfiguration(string Name, string CertificatePath, string KeyPath, PkiDhe Dhe = PkiDhe.None)
{
    /// <summary>Where the first of them stands.</summary>
    public SourcePosition Position { get; init; }
}

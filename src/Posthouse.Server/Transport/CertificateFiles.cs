namespace Posthouse.Server.Transport;

/// <summary>A <c>pki</c> of the configuration: its name, and the PEM files of its certificate (with the chain after it) and key.</summary>
public sealed record CertificateFiles(string Name, string CertificatePath, string KeyPath)
{
    /// <summary>Where the configuration names them, as <c>file:line:column</c>, for messages.</summary>
    public string? Position { get; init; }
}

namespace Posthouse.Server.Transport;

/// <summary>What the configuration says about TLS on a listener.</summary>
/// <param name="Certificates">Names in the <see cref="CertificateStore"/>, at least one; the first is for clients that ask for no name, or for one that no certificate has.</param>
public sealed record TlsOptions(IReadOnlyList<string> Certificates)
{
    /// <summary>What is asked of clients.</summary>
    public ClientCertificates Clients { get; init; }

    /// <summary>The name in the <see cref="CertificateStore"/> of the authorities that client certificates are checked against; null for the system's.</summary>
    public string? Authorities { get; init; }

    /// <summary>libtls's protocol keywords; see <see cref="TlsProtocols"/>.</summary>
    public string Protocols { get; init; } = "default";

    /// <summary>OpenSSL's cipher string; see <see cref="CipherString"/>.</summary>
    public string Ciphers { get; init; } = CipherString.Default;
}

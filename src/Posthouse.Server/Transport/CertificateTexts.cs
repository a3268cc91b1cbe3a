namespace Posthouse.Server.Transport;

/// <summary>The certificates that a server works with, or those of them that changed.</summary>
/// <param name="Pki">By <c>pki</c> name, a certificate with its chain after it.</param>
/// <param name="Authorities">By <c>ca</c> name, the authorities that certificates of others are checked against.</param>
public sealed record CertificateTexts(IReadOnlyList<NamedPem> Pki, IReadOnlyList<NamedPem> Authorities);

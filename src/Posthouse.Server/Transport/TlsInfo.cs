namespace Posthouse.Server.Transport;

/// <summary>What a TLS handshake agreed on.</summary>
/// <param name="Protocol"><c>TLSv1.2</c> or <c>TLSv1.3</c>.</param>
/// <param name="Cipher">OpenSSL's name of the cipher suite.</param>
/// <param name="Bits">Strength of the cipher in bits.</param>
/// <param name="ServerName">The name that the client asked for (SNI), or null.</param>
/// <param name="HasClientCertificate">Whether the client showed a certificate.</param>
/// <param name="IsClientVerified">Whether that certificate stood the check against the trusted authorities.</param>
/// <param name="ClientFingerprint"><c>SHA256:</c> and 64 hex digits of the client's certificate, or null.</param>
public sealed record TlsInfo(
    string Protocol,
    string Cipher,
    int Bits,
    string? ServerName,
    bool HasClientCertificate,
    bool IsClientVerified,
    string? ClientFingerprint)
{
    /// <summary>As the log has it: <c>TLSv1.3:TLS_AES_256_GCM_SHA384:256</c>.</summary>
    public override string ToString() => $"{Protocol}:{Cipher}:{Bits}";
}

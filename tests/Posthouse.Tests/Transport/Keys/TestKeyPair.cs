using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Posthouse.Tests.Transport.Keys;

/// <summary>
/// A self-signed certificate for keys.example.org and its key. Each test makes its own: SslStream keeps, for the whole process and by the certificate,
/// what it made for the first handshake, and with it the way to the first test's keys.
/// </summary>
internal sealed record TestKeyPair(X509Certificate2 Certificate, string CertificatePem, string KeyPem)
{
    public const string Name = "keys.example.org";

    public static TestKeyPair Make(string kind)
    {
        using AsymmetricAlgorithm key = kind switch
        {
            "RSA-2048" => RSA.Create(2048),
            "RSA-3072" => RSA.Create(3072),
            "P-256" => ECDsa.Create(ECCurve.NamedCurves.nistP256),
            "P-384" => ECDsa.Create(ECCurve.NamedCurves.nistP384),
            "P-521" => ECDsa.Create(ECCurve.NamedCurves.nistP521),
            _ => throw new ArgumentException(kind, nameof(kind)),
        };
        CertificateRequest request = key is RSA rsa
            ? new($"CN={Name}", rsa, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1)
            : new($"CN={Name}", (ECDsa)key, HashAlgorithmName.SHA256);
        SubjectAlternativeNameBuilder names = new();
        names.AddDnsName(Name);
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        using X509Certificate2 made = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(30));
        string pem = made.ExportCertificatePem();
        return new(X509Certificate2.CreateFromPem(pem), pem, key.ExportPkcs8PrivateKeyPem());
    }
}

using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Posthouse.Tests.Transport;

/// <summary>Certificates made for a test, self-signed or by an authority of the test.</summary>
internal sealed class TestCertificate
{
    private TestCertificate(X509Certificate2 certificate, ECDsa key)
    {
        Certificate = certificate;
        Key = key;
    }

    public X509Certificate2 Certificate { get; }

    public ECDsa Key { get; }

    public string CertificatePem => Certificate.ExportCertificatePem();

    public string KeyPem => Key.ExportPkcs8PrivateKeyPem();

    public static TestCertificate For(string commonName, params string[] names) => Make(commonName, names, null, isAuthority: false);

    public static TestCertificate Authority(string commonName) => Make(commonName, [], null, isAuthority: true);

    public TestCertificate Issue(string commonName, params string[] names) => Make(commonName, names, this, isAuthority: false);

    /// <summary>Writes both PEM files into a directory; answers their paths.</summary>
    public (string Certificate, string Key) Save(string directory, string name)
    {
        (string, string) paths = (Path.Combine(directory, $"{name}.crt"), Path.Combine(directory, $"{name}.key"));
        File.WriteAllText(paths.Item1, CertificatePem);
        File.WriteAllText(paths.Item2, KeyPem);
        return paths;
    }

    private static TestCertificate Make(string commonName, string[] names, TestCertificate? issuer, bool isAuthority)
    {
        ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = new($"CN={commonName}", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(isAuthority, false, 0, true));
        if (names.Length > 0)
        {
            SubjectAlternativeNameBuilder builder = new();
            foreach (string name in names)
                builder.AddDnsName(name);
            request.CertificateExtensions.Add(builder.Build());
        }
        DateTimeOffset from = DateTimeOffset.UtcNow.AddDays(-1), until = DateTimeOffset.UtcNow.AddDays(30);
        if (issuer is null)
            return new TestCertificate(request.CreateSelfSigned(from, until), key);
        byte[] serial = RandomNumberGenerator.GetBytes(8);
        X509SignatureGenerator signer = X509SignatureGenerator.CreateForECDsa(issuer.Key);
        return new TestCertificate(request.Create(issuer.Certificate.SubjectName, signer, from, until, serial), key);
    }
}

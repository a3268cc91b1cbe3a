using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Posthouse.Server.Native;
using Posthouse.Server.Transport.Keys;

namespace Posthouse.Server.Transport;

/// <summary>A certificate with its chain and the use of its key, ready for handshakes of either side, and the names it is for.</summary>
public sealed class ServerCertificate
{
    private readonly HashSet<string> _names = new(StringComparer.OrdinalIgnoreCase);

    private ServerCertificate(X509Certificate2 leaf, string certificates)
    {
        X509Certificate2Collection chain = [];
        chain.ImportFromPem(certificates);
        chain.RemoveAt(0);
        // Offline: neither missing intermediates nor a stapled answer are fetched; what the file has is what is sent.
        Context = SslStreamCertificateContext.Create(leaf, chain, offline: true);
        foreach (X509SubjectAlternativeNameExtension names in leaf.Extensions.OfType<X509SubjectAlternativeNameExtension>())
            _names.UnionWith(names.EnumerateDnsNames());
        foreach (X500RelativeDistinguishedName part in leaf.SubjectName.EnumerateRelativeDistinguishedNames())
        {
            if (!part.HasMultipleElements && part.GetSingleElementType().Value == "2.5.4.3" && part.GetSingleElementValue() is { } commonName)
                _names.Add(commonName);
        }
    }

    /// <summary>
    /// What SslStream wants, for a server (<see cref="SslServerAuthenticationOptions.ServerCertificateContext"/>) or a client
    /// (<see cref="SslClientAuthenticationOptions.ClientCertificateContext"/>). One object as long as the certificate stays the same: resumable sessions hang on it.
    /// </summary>
    public SslStreamCertificateContext Context { get; }

    /// <summary>Reads PEM text: the certificate first, then its chain; and the key. Throws <see cref="CryptographicException"/> or <see cref="ArgumentException"/> when they are broken or do not belong together.</summary>
    public static ServerCertificate FromPem(string certificates, string key) => new(X509Certificate2.CreateFromPem(certificates, key), certificates);

    /// <summary>
    /// As the other, with a key that somebody else signs by. Throws <see cref="CryptographicException"/> or <see cref="ArgumentException"/> when the
    /// certificate is broken or its key neither RSA nor on P-256, P-384 or P-521.
    /// </summary>
    internal static ServerCertificate FromPem(string certificates, IKeySigner signer)
    {
        using X509Certificate2 bare = X509Certificate2.CreateFromPem(certificates);
        DetachedSigner holder = new(KeyId.Of(bare), signer);
        using RSA? rsa = bare.GetRSAPublicKey();
        if (rsa is not null)
        {
            using SafeEvpPKeyHandle handle = DetachedKey.Make(rsa.ExportParameters(includePrivateParameters: false), holder);
            using RSAOpenSsl key = new(handle);
            return new ServerCertificate(bare.CopyWithPrivateKey(key), certificates);
        }
        using ECDsa? ec = bare.GetECDsaPublicKey();
        if (ec is not null)
        {
            using SafeEvpPKeyHandle handle = DetachedKey.Make(ec.ExportParameters(includePrivateParameters: false), holder);
            using ECDsaOpenSsl key = new(handle);
            return new ServerCertificate(bare.CopyWithPrivateKey(key), certificates);
        }
        throw new CryptographicException("the certificate's key is of a kind that is not supported: expected RSA or ECDSA");
    }

    /// <summary>Whether the certificate is for this very name.</summary>
    public bool HasName(string name) => _names.Contains(name);

    /// <summary>Whether one of its wildcards covers this name: <c>*</c> stands for exactly one label (RFC 6125 6.4.3).</summary>
    public bool HasWildcardFor(string name)
    {
        int dot = name.IndexOf('.');
        return dot > 0 && _names.Contains($"*{name[dot..]}");
    }
}

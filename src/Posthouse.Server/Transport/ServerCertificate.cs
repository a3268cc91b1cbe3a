using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Posthouse.Server.Transport;

/// <summary>A certificate with its chain and key, ready for handshakes, and the names it is for.</summary>
public sealed class ServerCertificate
{
    private readonly HashSet<string> _names = new(StringComparer.OrdinalIgnoreCase);

    private ServerCertificate(X509Certificate2 leaf, X509Certificate2Collection chain)
    {
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

    /// <summary>What SslStream wants. One object as long as the files stay the same: resumable sessions hang on it.</summary>
    public SslStreamCertificateContext Context { get; }

    /// <summary>Reads PEM text: the certificate first, then its chain; and the key. Throws <see cref="CryptographicException"/> or <see cref="ArgumentException"/> when they are broken or do not belong together.</summary>
    public static ServerCertificate FromPem(string certificates, string key)
    {
        X509Certificate2 leaf = X509Certificate2.CreateFromPem(certificates, key);
        X509Certificate2Collection chain = [];
        chain.ImportFromPem(certificates);
        chain.RemoveAt(0);
        return new ServerCertificate(leaf, chain);
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

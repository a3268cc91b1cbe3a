using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging;
using Posthouse.Server.Model;
using Posthouse.Server.Transport.Keys;

namespace Posthouse.Server.Transport;

/// <summary>
/// The certificates and authorities in force, by their names in the configuration. A replaced one is used from the next handshake on;
/// handshakes under way go on with what they began with. All members may be called from any thread.
/// </summary>
public sealed class CertificateStore
{
    private readonly ConcurrentDictionary<string, Slot<ServerCertificate>> _certificates = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, Slot<X509Certificate2Collection>> _authorities = new(StringComparer.Ordinal);
    private readonly IKeySigner? _signer;
    private readonly ILogger _logger;

    /// <summary>An empty one, whose certificates bring their keys with them.</summary>
    public CertificateStore(ILogger logger)
        : this(null, logger)
    {
    }

    /// <summary>An empty one; <paramref name="signer"/> has the keys.</summary>
    internal CertificateStore(IKeySigner? signer, ILogger logger)
    {
        _signer = signer;
        _logger = logger;
    }

    /// <summary>Takes what was given by the process that reads the files. What cannot be used is logged, and leaves in force what there was.</summary>
    public void Update(CertificateTexts texts)
    {
        foreach (NamedPem pki in texts.Pki) Update(pki.Name, pki.Pem);
        foreach (NamedPem authority in texts.Authorities) UpdateAuthorities(authority.Name, authority.Pem);
    }

    /// <summary>A new certificate with its chain, in PEM, whose key the signer has. The same text again changes nothing. Answers why it cannot be used, which is logged.</summary>
    public Fault? Update(string name, string certificates) =>
        Update(_certificates, name, certificates, () => ServerCertificate.FromPem(certificates, _signer ?? throw new ArgumentException("there is nobody to sign")));

    /// <summary>A new certificate that has its key with it.</summary>
    public void Update(string name, ServerCertificate certificate) => _certificates.GetOrAdd(name, static _ => new()).Set(certificate, null);

    /// <summary>New authorities, in PEM. Answers why they cannot be used, which is logged.</summary>
    public Fault? UpdateAuthorities(string name, string certificates) => Update(_authorities, name, certificates, () =>
    {
        X509Certificate2Collection authorities = [];
        authorities.ImportFromPem(certificates);
        return authorities.Count > 0 ? authorities : throw new ArgumentException("there is no certificate in it");
    });

    /// <summary>The certificate in force, or null.</summary>
    public ServerCertificate? Find(string name) => _certificates.TryGetValue(name, out Slot<ServerCertificate>? slot) ? slot.Current : null;

    /// <summary>The authorities in force, or null.</summary>
    public X509Certificate2Collection? FindAuthorities(string name) => _authorities.TryGetValue(name, out Slot<X509Certificate2Collection>? slot) ? slot.Current : null;

    private Fault? Update<T>(ConcurrentDictionary<string, Slot<T>> slots, string name, string text, Func<T> make)
        where T : class
    {
        Slot<T> slot = slots.GetOrAdd(name, static _ => new());
        if (slot.Text == text) return null;
        try
        {
            slot.Set(make(), text);
            return null;
        }
        catch (Exception error) when (error is CryptographicException or ArgumentException)
        {
            TransportLog.CertificateRefused(_logger, name, error.Message);
            return Fault.Temporary("TLS not available", $"{name}: {error.Message}", 7);
        }
    }

    /// <summary>What is in force by one name.</summary>
    private sealed class Slot<T>
        where T : class
    {
        private volatile T? _current;

        public T? Current => _current;

        public string? Text { get; private set; }

        public void Set(T current, string? text)
        {
            _current = current;
            Text = text;
        }
    }
}

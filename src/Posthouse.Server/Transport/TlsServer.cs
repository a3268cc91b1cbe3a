using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging;
using Posthouse.Server.Model;

namespace Posthouse.Server.Transport;

/// <summary>
/// The server's side of TLS for one listener: which certificate for which name, what is asked of clients, and on which
/// threads handshakes run. TLS 1.2 and 1.3; sessions can be resumed by tickets.
/// </summary>
public sealed class TlsServer
{
    private readonly string[] _certificates;
    private readonly CertificateStore _store;
    private readonly ClientCertificates _clients;
    private readonly Func<X509Certificate2Collection> _authorities;
    private readonly SslProtocols _protocols;
    private readonly CipherSuitesPolicy? _ciphers;

    private TlsServer(
        string[] certificates, CertificateStore store, ClientCertificates clients, Func<X509Certificate2Collection> authorities,
        SslProtocols protocols, CipherSuitesPolicy? ciphers, HandshakeThreads threads)
    {
        _certificates = certificates;
        _store = store;
        _clients = clients;
        _authorities = authorities;
        _protocols = protocols;
        _ciphers = ciphers;
        Threads = threads;
    }

    internal HandshakeThreads Threads { get; }

    /// <summary>
    /// Null, with the reason in <paramref name="fault"/>, when <paramref name="store"/> lacks one of the certificates or authorities. Cipher words
    /// that have no meaning here are logged.
    /// </summary>
    public static TlsServer? Create(TlsOptions options, CertificateStore store, HandshakeThreads threads, ILogger logger, out Fault? fault)
    {
        if (!TlsProtocols.TryParse(options.Protocols, out SslProtocols protocols, out string? error))
        {
            fault = Fault.Permanent("TLS not available", error, 7);
            return null;
        }
        IReadOnlyList<TlsCipherSuite>? ciphers = CipherString.Parse(options.Ciphers, out IReadOnlyList<string> warnings);
        foreach (string warning in warnings)
            TransportLog.CipherIgnored(logger, warning, options.Ciphers);

        fault = options.Certificates.FirstOrDefault(name => store.Find(name) is null) is { } missing
            ? Fault.Temporary("TLS not available", $"pki {missing}: there is no certificate that can be used", 7)
            : null;
        if (fault is null && AuthoritiesOf(options, store, out fault) is { } authorities)
            return new TlsServer([.. options.Certificates], store, options.Clients, authorities, protocols, ciphers is null ? null : PolicyOf(ciphers), threads);
        return null;
    }

    /// <summary>Throws what SslStream throws. On the way it moves to the handshake threads, and its end is there.</summary>
    internal async ValueTask<TlsInfo> HandshakeAsync(SslStream stream)
    {
        bool isVerified = _clients == ClientCertificates.Required;
        await stream.AuthenticateAsServerAsync((_, hello, _, _) => new ValueTask<SslServerAuthenticationOptions>(OptionsFor(hello.ServerName)), null);
        CipherSuite suite = CipherSuite.Of(stream.NegotiatedCipherSuite);
        X509Certificate? client = _clients == ClientCertificates.None ? null : stream.RemoteCertificate;
        return new TlsInfo(
            stream.SslProtocol == SslProtocols.Tls13 ? "TLSv1.3" : "TLSv1.2",
            suite.Name,
            suite.Bits,
            stream.TargetHostName is { Length: > 0 } name ? name : null,
            client is not null,
            client is not null && isVerified,
            client is null ? null : $"SHA256:{client.GetCertHashString(HashAlgorithmName.SHA256).ToLowerInvariant()}");

        SslServerAuthenticationOptions OptionsFor(string serverName)
        {
            SslServerAuthenticationOptions options = new()
            {
                ServerCertificateContext = CertificateFor(serverName).Context,
                EnabledSslProtocols = _protocols,
                CipherSuitesPolicy = _ciphers,
                CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
            };
            if (_clients == ClientCertificates.None)
                return options;
            options.ClientCertificateRequired = true;
            options.CertificateChainPolicy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                RevocationMode = X509RevocationMode.NoCheck,
            };
            options.CertificateChainPolicy.CustomTrustStore.AddRange(_authorities());
            if (_clients == ClientCertificates.Optional)
            {
                options.RemoteCertificateValidationCallback = (_, _, _, errors) =>
                {
                    isVerified = errors == SslPolicyErrors.None;
                    return true;
                };
            }
            return options;
        }
    }

    /// <summary>The first that has the very name, else the first with a wildcard for it, else the default.</summary>
    private ServerCertificate CertificateFor(string? name)
    {
        if (!string.IsNullOrEmpty(name) && _certificates.Length > 1)
        {
            foreach (string pki in _certificates)
            {
                if (_store.Find(pki) is { } certificate && certificate.HasName(name))
                    return certificate;
            }
            foreach (string pki in _certificates)
            {
                if (_store.Find(pki) is { } certificate && certificate.HasWildcardFor(name))
                    return certificate;
            }
        }
        return _store.Find(_certificates[0])!;
    }

    /// <summary>Where to find the authorities: those of a name may be replaced, the system's are read once.</summary>
    private static Func<X509Certificate2Collection>? AuthoritiesOf(TlsOptions options, CertificateStore store, out Fault? fault)
    {
        fault = null;
        if (options.Clients == ClientCertificates.None)
            return static () => [];
        if (options.Authorities is { } name)
        {
            if (store.FindAuthorities(name) is not null)
                return () => store.FindAuthorities(name)!;
            fault = Fault.Temporary("TLS not available", $"ca {name}: there are no authorities that can be used", 7);
            return null;
        }
        try
        {
            using X509Store system = new(StoreName.Root, StoreLocation.LocalMachine, OpenFlags.ReadOnly);
            X509Certificate2Collection authorities = system.Certificates;
            return () => authorities;
        }
        catch (CryptographicException error)
        {
            fault = Fault.Temporary("TLS not available", $"the system's authorities: {error.Message}", 7);
            return null;
        }
    }

    private static CipherSuitesPolicy PolicyOf(IReadOnlyList<TlsCipherSuite> suites)
    {
#pragma warning disable CA1416 // Linux is the only platform of this server.
        return new CipherSuitesPolicy(suites);
#pragma warning restore CA1416
    }
}

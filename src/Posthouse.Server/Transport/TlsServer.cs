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
    private readonly CertificateWatch[] _certificates;
    private readonly ClientCertificates _clients;
    private readonly X509Certificate2Collection? _authorities;
    private readonly SslProtocols _protocols;
    private readonly CipherSuitesPolicy? _ciphers;

    private TlsServer(
        CertificateWatch[] certificates, ClientCertificates clients, X509Certificate2Collection? authorities,
        SslProtocols protocols, CipherSuitesPolicy? ciphers, HandshakeThreads threads)
    {
        _certificates = certificates;
        _clients = clients;
        _authorities = authorities;
        _protocols = protocols;
        _ciphers = ciphers;
        Threads = threads;
    }

    internal HandshakeThreads Threads { get; }

    /// <summary>
    /// Reads certificates and authorities; null, with the reason in <paramref name="fault"/>, when one cannot be used. Cipher words
    /// that have no meaning here are logged.
    /// </summary>
    public static TlsServer? Create(TlsOptions options, HandshakeThreads threads, TimeProvider time, ILogger logger, out Fault? fault)
    {
        if (!TlsProtocols.TryParse(options.Protocols, out SslProtocols protocols, out string? error))
        {
            fault = Fault.Permanent("TLS not available", error, 7);
            return null;
        }
        IReadOnlyList<TlsCipherSuite>? ciphers = CipherString.Parse(options.Ciphers, out IReadOnlyList<string> warnings);
        foreach (string warning in warnings)
            TransportLog.CipherIgnored(logger, warning, options.Ciphers);

        CertificateWatch[] certificates = new CertificateWatch[options.Certificates.Count];
        for (int index = 0; index < certificates.Length; index++)
        {
            if (CertificateWatch.Open(options.Certificates[index], time, logger, out fault) is not { } opened)
                return null;
            certificates[index] = opened;
        }

        X509Certificate2Collection? authorities = null;
        if (options.Clients != ClientCertificates.None && (authorities = ReadAuthorities(options.AuthoritiesPath, out fault)) is null)
            return null;
        fault = null;
        return new TlsServer(certificates, options.Clients, authorities, protocols, ciphers is null ? null : PolicyOf(ciphers), threads);
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
            options.CertificateChainPolicy.CustomTrustStore.AddRange(_authorities!);
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
            foreach (CertificateWatch watch in _certificates)
            {
                if (watch.Current is var certificate && certificate.HasName(name))
                    return certificate;
            }
            foreach (CertificateWatch watch in _certificates)
            {
                if (watch.Current is var certificate && certificate.HasWildcardFor(name))
                    return certificate;
            }
        }
        return _certificates[0].Current;
    }

    private static X509Certificate2Collection? ReadAuthorities(string? path, out Fault? fault)
    {
        fault = null;
        try
        {
            X509Certificate2Collection authorities = [];
            if (path is not null)
            {
                authorities.ImportFromPem(File.ReadAllText(path));
            }
            else
            {
                using X509Store store = new(StoreName.Root, StoreLocation.LocalMachine, OpenFlags.ReadOnly);
                authorities.AddRange(store.Certificates);
            }
            return authorities;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or CryptographicException)
        {
            fault = Fault.Temporary("TLS not available", $"ca {path}: {error.Message}", 7);
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

using Microsoft.Extensions.Logging;
using Posthouse.Server.Configuration;
using Posthouse.Server.Transport;
using Posthouse.Server.Transport.Keys;

namespace Posthouse.Server.Hosting;

/// <summary>The certificates and authorities that the listeners of a configuration use.</summary>
internal static class WatchedCertificates
{
    /// <summary>A watch on their files; the keys go to <paramref name="keys"/>.</summary>
    internal static CertificateFilesWatch Of(ServerConfiguration configuration, IKeyLoader keys, TimeProvider time, ILogger logger) => new(
        configuration.Listeners.SelectMany(static listener => listener.Pki).DistinctBy(static pki => pki.Name)
            .Select(static pki => new CertificateFiles(pki.Name, pki.CertificatePath, pki.KeyPath) { Position = pki.Position.ToString() }),
        configuration.Listeners.Select(static listener => listener.Authority).OfType<CaConfiguration>().DistinctBy(static ca => ca.Name)
            .Select(static ca => new AuthorityFile(ca.Name, ca.CertificatePath) { Position = ca.Position.ToString() }),
        keys, time, logger);

    /// <summary>Whether there is a key at all.</summary>
    internal static bool AreIn(ServerConfiguration configuration) => configuration.Listeners.Any(static listener => listener.Pki.Length > 0);
}

using Microsoft.Extensions.Logging;
using Posthouse.Plugs;
using Posthouse.Server.Configuration;
using Posthouse.Server.Model;
using Posthouse.Server.Processes;
using Posthouse.Server.Receiving;
using Posthouse.Server.Tables;
using Posthouse.Server.Transport;

namespace Posthouse.Server.Hosting;

/// <summary>Makes of each listener's configuration what its sessions work by: tables opened, certificates found.</summary>
internal sealed class SessionProfiles(
    ServerConfiguration configuration, TableSet tables, IPrivileges privileges, CertificateStore certificates, HandshakeThreads handshakes, ILogger logger)
{
    private SessionProfile Common => new()
    {
        ServerName = configuration.ServerName,
        MaxMessageSize = configuration.Smtp.MaxMessageSize,
        MaxLineLength = configuration.Smtp.MaxLineLength,
        SubAddressDelimiter = configuration.Smtp.SubAddressDelimiter,
        Limits = configuration.Smtp.Limits,
    };

    /// <summary>For mail from programs of this machine.</summary>
    public SessionProfile ForSocket() => Common with
    {
        IsLocalSocket = true,
        MaskSource = configuration.Socket.MaskSource,
        NoDsn = configuration.Socket.NoDsn,
        Tag = configuration.Socket.Tag,
    };

    /// <summary>For a network listener; null with the reason when its certificates cannot be used.</summary>
    public SessionProfile? For(ListenerConfiguration listener, out Fault? fault)
    {
        fault = null;
        TlsServer? tls = null;
        if (listener.Tls != ListenerTls.None)
        {
            TlsOptions options = new([.. listener.Pki.Select(static pki => pki.Name)])
            {
                Clients = listener.VerifyClient ? ClientCertificates.Required
                    : listener.Authority is null ? ClientCertificates.None : ClientCertificates.Optional,
                Authorities = listener.Authority?.Name,
                Ciphers = listener.Ciphers ?? configuration.Smtp.Ciphers,
            };
            if (listener.Protocols is { } protocols) options = options with { Protocols = protocols };
            tls = TlsServer.Create(options, certificates, handshakes, logger, out fault);
            if (tls is null)
            {
                fault = fault! with { Detail = $"{listener.Position}: {fault.Detail ?? fault.PublicText}" };
                return null;
            }
        }

        return Common with
        {
            ServerName = listener.Hostname ?? configuration.ServerName,
            Hostnames = Open(listener.Hostnames),
            Tls = listener.Tls,
            TlsServer = tls,
            Auth = listener.Auth,
            Passwords = listener.Auth == ListenerAuth.None ? null : Open(listener.Credentials) is { } credentials ? new(credentials) : new(privileges),
            Senders = Open(listener.Senders),
            Masquerade = listener.Masquerade,
            MaskSource = listener.MaskSource,
            ReceivedAuth = listener.ReceivedAuth,
            NoDsn = listener.NoDsn,
            ProxyV2 = listener.ProxyV2,
            Tag = listener.Tag,
        };
    }

    private ITable? Open(TableDefinition? table) => table is null ? null : tables[table];
}

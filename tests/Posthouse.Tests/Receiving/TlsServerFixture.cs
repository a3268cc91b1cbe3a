using System.Net.Security;
using System.Net.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using Posthouse.Plugs;
using Posthouse.Server.Configuration;
using Posthouse.Server.Native;
using Posthouse.Server.Receiving;
using Posthouse.Server.Transport;
using Posthouse.Tests.Transport;

namespace Posthouse.Tests.Receiving;

/// <summary>A certificate, and users: joe with the password secret, who may send as joe@example.org; the lookup of broken fails.</summary>
internal sealed class TlsServerFixture : IAsyncDisposable
{
    private readonly HandshakeThreads _threads;

    public TlsServerFixture(int threads = 1)
    {
        _threads = new(threads);
        TestCertificate certificate = TestCertificate.For("mx.example.org");
        CertificateStore store = new(NullLogger.Instance);
        store.Update("mx", ServerCertificate.FromPem(certificate.CertificatePem, certificate.KeyPem));
        TlsServer server = TlsServer.Create(new TlsOptions(["mx"]), store, _threads, NullLogger.Instance, out _)!;
        Users users = new();
        Profile = SmtpServerFixture.Profile with { Tls = ListenerTls.Offered, TlsServer = server, Auth = ListenerAuth.Optional, Passwords = new PasswordCheck(users), Senders = users };
    }

    public SessionProfile Profile { get; }

    /// <summary>Lets more wait for the handshake threads than may: they are not there.</summary>
    public void Crowd()
    {
        for (int i = 0; i < 256; i++)
            _threads.Enter().OnCompleted(static () => { });
    }

    public async Task<SslStream> StartTlsAsync(SmtpServerFixture server, string? address = null, string injected = "")
    {
        Socket client = await server.ConnectAsync(address);
        await server.ReadRepliesAsync(client, 1);
        Assert.Equal("220 2.0.0 Ready to start TLS\r\n", await server.AskAsync(client, "STARTTLS\r\n" + injected));
        SslStream stream = new(new NetworkStream(client, ownsSocket: false), false, (_, _, _, _) => true);
        await stream.AuthenticateAsClientAsync("mx.example.org");
        return stream;
    }

    public ValueTask DisposeAsync()
    {
        _threads.Dispose();
        return default;
    }

    private sealed class Users : ITable
    {
        private static readonly string s_hash = CryptPassword.Compute("secret", "$6$salt$")!;

        public bool Supports(TableService service) => service is TableService.Credentials or TableService.MailAddrMap;

        public ValueTask<TableResult> CheckAsync(TableService service, string key, CancellationToken cancellation = default) => new(TableResult.NotFound);

        public ValueTask<TableResult> LookupAsync(TableService service, string key, CancellationToken cancellation = default) => new((service, key) switch
        {
            (_, "broken") => TableResult.Error("it is broken"),
            (TableService.Credentials, "joe") => TableResult.Found($"joe:{s_hash}"),
            (TableService.MailAddrMap, "joe") => TableResult.Found("joe@example.org, @joe.example"),
            _ => TableResult.NotFound,
        });

        public ValueTask<TableResult> FetchAsync(TableService service, CancellationToken cancellation = default) => new(TableResult.NotFound);

        public ValueTask<TableResult> UpdateAsync(CancellationToken cancellation = default) => new(TableResult.Found());

        public ValueTask DisposeAsync() => default;
    }
}

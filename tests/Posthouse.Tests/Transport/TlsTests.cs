using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Posthouse.Server.Model;
using Posthouse.Server.Transport;

namespace Posthouse.Tests.Transport;

public sealed class TlsTests : IDisposable
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(30);

    private readonly CertificateStore _store = new(NullLogger.Instance);
    private readonly FakeTimeProvider _time = new();
    private readonly DeadlineWatch _watch;
    private readonly HandshakeThreads _threads = new(2);

    public TlsTests() => _watch = new DeadlineWatch(_time);

    public void Dispose()
    {
        _threads.Dispose();
        _watch.Dispose();
    }

    [Theory]
    [InlineData(SslProtocols.Tls12, "TLSv1.2")]
    [InlineData(SslProtocols.Tls13, "TLSv1.3")]
    public async Task A_session_in_the_clear_becomes_one_under_tls(SslProtocols protocol, string name)
    {
        TlsServer server = Server(Pki("mx", TestCertificate.For("mx.example.org")));
        await using SocketPair pair = await SocketPair.TcpAsync(_watch);
        await pair.Client.SendAsync("STARTTLS\r\n"u8.ToArray());
        byte[] buffer = new byte[100];
        Assert.Equal(10, await pair.Server.ReceiveAsync(buffer));

        Task<Fault?> upgrading = pair.Server.UpgradeToTlsAsync(server, s_limit).AsTask();
        await using SslStream client = Client(pair);
        await client.AuthenticateAsClientAsync(Options("mx.example.org", protocol), TestContext.Current.CancellationToken);
        Assert.Null(await upgrading);
        Assert.False(Thread.CurrentThread.Name?.StartsWith("handshake", StringComparison.Ordinal) ?? false);
        Assert.Equal(name, pair.Server.Tls!.Protocol);
        Assert.Equal("mx.example.org", pair.Server.Tls.ServerName);
        Assert.True(pair.Server.Tls.Bits >= 128);
        Assert.False(pair.Server.Tls.HasClientCertificate);

        ValueTask waiting = pair.Server.WaitForDataAsync();
        await client.WriteAsync("EHLO again\r\n"u8.ToArray(), TestContext.Current.CancellationToken);
        await waiting;
        Assert.Equal(12, await pair.Server.ReceiveAsync(buffer));
        Assert.Equal("EHLO again\r\n", Encoding.ASCII.GetString(buffer, 0, 12));
        Assert.True(await pair.Server.SendAsync(Encoding.ASCII.GetBytes(new string('x', 100_000))));
        byte[] all = new byte[100_000];
        await client.ReadExactlyAsync(all, TestContext.Current.CancellationToken);
        await client.ShutdownAsync();
        Assert.Equal(0, await pair.Server.ReceiveAsync(buffer));
        Assert.Equal(ConnectionEnd.Closed, pair.Server.End);
    }

    [Fact]
    public async Task The_name_asked_for_chooses_the_certificate()
    {
        TlsServer server = Server(
            Pki("default", TestCertificate.For("default.example.org")),
            Pki("wild", TestCertificate.For("w", "*.example.net")),
            Pki("exact", TestCertificate.For("e", "mail.example.net", "other.example.com")));
        Assert.Equal("CN=e", await SubjectForAsync(server, "mail.example.net"));
        Assert.Equal("CN=e", await SubjectForAsync(server, "OTHER.example.com"));
        Assert.Equal("CN=w", await SubjectForAsync(server, "smtp.example.net"));
        Assert.Equal("CN=default.example.org", await SubjectForAsync(server, "a.b.example.net"));
        Assert.Equal("CN=default.example.org", await SubjectForAsync(server, "unknown.example.org"));
        Assert.Equal("CN=default.example.org", await SubjectForAsync(server, null));
    }

    [Fact]
    public async Task A_replaced_certificate_is_used_by_the_next_handshake()
    {
        TlsServer server = Server(Pki("mx", TestCertificate.For("old")));
        Assert.Equal("CN=old", await SubjectForAsync(server, null));
        Pki("mx", TestCertificate.For("new"));
        Assert.Equal("CN=new", await SubjectForAsync(server, null));
    }

    [Fact]
    public async Task Replaced_authorities_are_asked_from_the_next_handshake_on()
    {
        TestCertificate before = TestCertificate.Authority("Before"), after = TestCertificate.Authority("After");
        Assert.Null(_store.UpdateAuthorities("clients", before.CertificatePem));
        TlsServer server = Server(new TlsOptions([Pki("mx", TestCertificate.For("mx"))]) { Clients = ClientCertificates.Required, Authorities = "clients" });
        Assert.Null(await HandshakeAsync(server, after.Issue("client")));
        Assert.NotNull(_store.UpdateAuthorities("clients", "nothing"));
        Assert.NotNull(await HandshakeAsync(server, before.Issue("client")));
        Assert.Null(_store.UpdateAuthorities("clients", after.CertificatePem));
        Assert.NotNull(await HandshakeAsync(server, after.Issue("client")));
        Assert.Null(await HandshakeAsync(server, before.Issue("client")));
    }

    [Fact]
    public async Task A_required_client_certificate_is_checked()
    {
        TestCertificate authority = TestCertificate.Authority("Test CA");
        Assert.Null(_store.UpdateAuthorities("clients", authority.CertificatePem));
        TlsServer server = Server(new TlsOptions([Pki("mx", TestCertificate.For("mx"))])
        {
            Clients = ClientCertificates.Required,
            Authorities = "clients",
        });
        TlsInfo? known = await HandshakeAsync(server, authority.Issue("client"));
        Assert.True(known!.IsClientVerified);
        Assert.Matches("^SHA256:[0-9a-f]{64}$", known.ClientFingerprint);
        Assert.Null(await HandshakeAsync(server, TestCertificate.For("stranger")));
        Assert.Null(await HandshakeAsync(server, null));
    }

    [Fact]
    public async Task An_optional_client_certificate_is_checked_but_not_demanded()
    {
        TestCertificate authority = TestCertificate.Authority("Test CA");
        Assert.Null(_store.UpdateAuthorities("clients", authority.CertificatePem));
        TlsServer server = Server(new TlsOptions([Pki("mx", TestCertificate.For("mx"))])
        {
            Clients = ClientCertificates.Optional,
            Authorities = "clients",
        });
        Assert.True((await HandshakeAsync(server, authority.Issue("client")))!.IsClientVerified);
        TlsInfo? stranger = await HandshakeAsync(server, TestCertificate.For("stranger"));
        Assert.True(stranger!.HasClientCertificate);
        Assert.False(stranger.IsClientVerified);
        Assert.False((await HandshakeAsync(server, null))!.HasClientCertificate);
    }

    [Fact]
    public async Task Configured_ciphers_are_the_only_ones()
    {
        TlsServer server = Server(new TlsOptions([Pki("mx", TestCertificate.For("mx"))])
        {
            Protocols = "tlsv1.2",
            Ciphers = "ECDHE+AESGCM:!AES256",
        });
        TlsInfo? info = await HandshakeAsync(server, null);
        Assert.Equal("ECDHE-ECDSA-AES128-GCM-SHA256", info!.Cipher);
        Assert.Equal("TLSv1.2:ECDHE-ECDSA-AES128-GCM-SHA256:128", info.ToString());
    }

    [Fact]
    public async Task Garbage_instead_of_a_handshake_breaks_that_connection_alone()
    {
        TlsServer server = Server(Pki("mx", TestCertificate.For("mx")));
        await using SocketPair pair = await SocketPair.TcpAsync(_watch);
        await pair.Client.SendAsync("EHLO I do not speak TLS\r\n"u8.ToArray());
        Fault? fault = await pair.Server.UpgradeToTlsAsync(server, s_limit);
        Assert.NotNull(fault);
        Assert.Equal(ConnectionEnd.Broken, pair.Server.End);
        Assert.NotNull(await HandshakeAsync(server, null));
    }

    [Fact]
    public async Task A_handshake_has_a_deadline_and_holds_no_thread_meanwhile()
    {
        TlsServer server = Server(Pki("mx", TestCertificate.For("mx")));
        List<SocketPair> silent = [];
        List<Task<Fault?>> upgrades = [];
        for (int i = 0; i < 5; i++)
        {
            silent.Add(await SocketPair.TcpAsync(_watch));
            upgrades.Add(silent[i].Server.UpgradeToTlsAsync(server, TimeSpan.FromSeconds(10)).AsTask());
        }
        // Two threads, five clients that say nothing: others are served all the same.
        Assert.NotNull(await HandshakeAsync(server, null));
        _time.Advance(TimeSpan.FromSeconds(12));
        foreach (Task<Fault?> upgrade in upgrades)
            Assert.NotNull(await upgrade);
        Assert.All(silent, pair => Assert.Equal(ConnectionEnd.TimedOut, pair.Server.End));
        foreach (SocketPair pair in silent)
            await pair.DisposeAsync();
    }

    [Fact]
    public void What_the_store_lacks_is_named()
    {
        Assert.Null(TlsServer.Create(new TlsOptions(["odd"]), _store, _threads, NullLogger.Instance, out Fault? fault));
        Assert.Contains("pki odd", fault!.Detail);
        TlsOptions options = new([Pki("mx", TestCertificate.For("mx"))]) { Clients = ClientCertificates.Optional, Authorities = "strange" };
        Assert.Null(TlsServer.Create(options, _store, _threads, NullLogger.Instance, out fault));
        Assert.Contains("ca strange", fault!.Detail);
    }

    private static async Task<string> SubjectOfAsync(SslStream client, Task<Fault?> upgrading)
    {
        Assert.Null(await upgrading);
        return client.RemoteCertificate!.Subject;
    }

    private async Task<string> SubjectForAsync(TlsServer server, string? name)
    {
        await using SocketPair pair = await SocketPair.TcpAsync(_watch);
        Task<Fault?> upgrading = pair.Server.UpgradeToTlsAsync(server, s_limit).AsTask();
        await using SslStream client = Client(pair);
        await client.AuthenticateAsClientAsync(Options(name ?? "", SslProtocols.None));
        return await SubjectOfAsync(client, upgrading);
    }

    /// <summary>The server's view of a handshake; null when it failed.</summary>
    private async Task<TlsInfo?> HandshakeAsync(TlsServer server, TestCertificate? clientCertificate)
    {
        await using SocketPair pair = await SocketPair.TcpAsync(_watch);
        Task<Fault?> upgrading = pair.Server.UpgradeToTlsAsync(server, s_limit).AsTask();
        await using SslStream client = Client(pair);
        SslClientAuthenticationOptions options = Options("mx", SslProtocols.None);
        if (clientCertificate is not null)
        {
            X509Certificate2 withKey = clientCertificate.Certificate.HasPrivateKey
                ? clientCertificate.Certificate
                : clientCertificate.Certificate.CopyWithPrivateKey(clientCertificate.Key);
            options.LocalCertificateSelectionCallback = (_, _, _, _, _) => withKey;
        }
        try
        {
            await client.AuthenticateAsClientAsync(options);
        }
        catch (Exception error) when (error is AuthenticationException or IOException)
        {
            Assert.NotNull(await upgrading);
        }
        return await upgrading is null ? pair.Server.Tls : null;
    }

    private static SslStream Client(SocketPair pair) => new(new NetworkStream(pair.Client));

    private static SslClientAuthenticationOptions Options(string name, SslProtocols protocols) => new()
    {
        TargetHost = name,
        EnabledSslProtocols = protocols,
        RemoteCertificateValidationCallback = static (_, _, _, _) => true,
    };

    private string Pki(string name, TestCertificate certificate)
    {
        _store.Update(name, ServerCertificate.FromPem(certificate.CertificatePem, certificate.KeyPem));
        return name;
    }

    private TlsServer Server(params string[] names) => Server(new TlsOptions(names));

    private TlsServer Server(TlsOptions options)
    {
        TlsServer? server = TlsServer.Create(options, _store, _threads, NullLogger.Instance, out Fault? fault);
        Assert.Null(fault);
        return server!;
    }
}

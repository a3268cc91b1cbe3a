using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging.Abstractions;
using Posthouse.Server.Transport;
using Posthouse.SystemTests.Support;

namespace Posthouse.SystemTests;

/// <summary>The TLS layer beside OpenSSL's own client.</summary>
public sealed class TlsTests : IAsyncDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("posthouse-tls-").FullName;
    private readonly DeadlineWatch _watch = new(TimeProvider.System);
    private readonly HandshakeThreads _threads = new();
    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly CancellationTokenSource _stop = new();
    private Task _running = Task.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running;
        _socket.Dispose();
        _watch.Dispose();
        _threads.Dispose();
        _stop.Dispose();
        Directory.Delete(_directory, true);
    }

    [Theory]
    [InlineData("-tls1_2", "TLSv1.2")]
    [InlineData("-tls1_3", "TLSv1.3")]
    public async Task Sessions_are_resumed(string option, string protocol)
    {
        string address = Start();
        string session = Path.Combine(_directory, "session");
        Tool first = await ClientAsync(address, option, "-sess_out", session);
        Assert.Contains($"New, {protocol}", first.Output);
        Assert.Contains("220 hello", first.Output);
        Tool second = await ClientAsync(address, option, "-sess_in", session);
        Assert.Contains($"Reused, {protocol}", second.Output);
        Assert.Contains("220 hello", second.Output);
    }

    [Theory]
    [InlineData("-tls1")]
    [InlineData("-tls1_1")]
    public async Task Old_protocols_are_refused(string option)
    {
        Tool refused = await ClientAsync(Start(), option, "-cipher", "DEFAULT:@SECLEVEL=0");
        Assert.DoesNotContain("220 hello", refused.Output);
        Assert.NotEqual(0, refused.ExitCode);
    }

    [Fact]
    public async Task The_certificate_is_chosen_by_name_and_shown_with_its_chain()
    {
        string address = Start();
        Tool named = await ClientAsync(address, "-servername", "other.example.org", "-showcerts");
        Assert.Contains("CN = other.example.org", named.Output);
        Tool unnamed = await ClientAsync(address, "-noservername");
        Assert.Contains("CN = mx.example.org", unnamed.Output);
    }

    [Fact]
    public async Task Only_the_configured_ciphers_are_spoken()
    {
        string address = Start(static options => options with { Ciphers = "ECDHE+CHACHA20", Protocols = "tlsv1.2" });
        Tool spoken = await ClientAsync(address, "-tls1_2", "-cipher", "ALL");
        Assert.Contains("Cipher is ECDHE-ECDSA-CHACHA20-POLY1305", spoken.Output);
        Tool refused = await ClientAsync(address, "-tls1_2", "-cipher", "AES128-SHA");
        Assert.DoesNotContain("220 hello", refused.Output);
    }

    private static Task<Tool> ClientAsync(string address, params string[] options) =>
        // The line that is sent first makes the client stay until it has read the answer, and any session ticket before it.
        Tool.RunAsync("openssl", ["s_client", "-connect", address, "-ign_eof", .. options], "hello\n", 20);

    private string Start(Func<TlsOptions, TlsOptions>? change = null)
    {
        TlsOptions options = new(["mx.example.org", "other.example.org"]);
        CertificateStore store = new(NullLogger.Instance);
        foreach (string name in options.Certificates)
            store.Update(name, Pki(name));
        TlsServer? server = TlsServer.Create(change?.Invoke(options) ?? options, store, _threads, NullLogger.Instance, out _);
        _socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _socket.Listen();
        Listener listener = new(_socket, _watch, new SessionLimiter(10, 10), async (connection, _) =>
        {
            if (await connection.UpgradeToTlsAsync(server!, TimeSpan.FromSeconds(10)) is null
                && await connection.ReceiveAsync(new byte[100]) > 0)
                await connection.SendAsync("220 hello\r\n"u8.ToArray());
        }, NullLogger.Instance);
        _running = listener.RunAsync(_stop.Token);
        return _socket.LocalEndPoint!.ToString()!;
    }

    private static ServerCertificate Pki(string name)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        CertificateRequest request = new($"CN={name}", key, HashAlgorithmName.SHA256);
        using X509Certificate2 certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
        return ServerCertificate.FromPem(certificate.ExportCertificatePem(), key.ExportPkcs8PrivateKeyPem());
    }
}

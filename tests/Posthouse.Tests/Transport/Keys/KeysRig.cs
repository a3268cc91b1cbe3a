using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Win32.SafeHandles;
using Posthouse.Server.Model;
using Posthouse.Server.Native;
using Posthouse.Server.Processes;
using Posthouse.Server.Transport;
using Posthouse.Server.Transport.Keys;
using Posthouse.Tests.Delivering;

namespace Posthouse.Tests.Transport.Keys;

/// <summary>What the keys process does, on threads of the test, a parent that talks to it, and an engine that signs through it.</summary>
internal sealed class KeysRig : IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly DeadlineWatch _watch = new(TimeProvider.System);
    private readonly HandshakeThreads _threads;
    private readonly Channel _channel;
    private readonly Task _serving;

    public KeysRig(int threads = 4)
    {
        _threads = new(threads);
        Assert.Equal(0, PacketSocket.Pair(out int ours, out int theirs));
        _serving = KeysProcess.ServeAsync(theirs, Keys);
        _channel = new(ours, "keys", static (_, _) => new(ChannelAnswer.Empty), NullLogger.Instance);
        Parent = new(_channel);
        // Nobody's patience but the test's own: a signature must not fail because a machine is slow.
        Signer = new(TimeProvider.System, Log, Patience);
        Store = new(Signer, NullLogger.Instance);
    }

    public KeyTable Keys { get; } = new();

    public KeysClient Parent { get; }

    public RecordingLogger Log { get; } = new();

    public SigningSockets Signer { get; }

    public CertificateStore Store { get; }

    public static async Task<KeysRig> StartAsync(int sockets = 2, int threads = 4)
    {
        KeysRig rig = new(threads);
        await rig.ConnectAsync(sockets);
        return rig;
    }

    /// <summary>Gives both sides new sockets.</summary>
    public async Task ConnectAsync(int sockets)
    {
        List<int> ours = [];
        List<SafeFileHandle> theirs = [];
        for (int i = 0; i < sockets; i++)
        {
            Assert.Equal(0, PacketSocket.Pair(out int our, out int their));
            ours.Add(our);
            theirs.Add(new(their, ownsHandle: true));
        }
        Assert.Null(await Parent.GiveSocketsAsync(theirs));
        foreach (SafeFileHandle handle in theirs) handle.Dispose();
        Signer.Replace(ours);
    }

    /// <summary>A certificate and its key from the parent's files to where they are used.</summary>
    public async Task<KeyId> LoadAsync(TestKeyPair pair, string name = "mx")
    {
        using SafeFileHandle file = KeyFile(pair.KeyPem);
        KeyLoad load = await Parent.LoadAsync(pair.CertificatePem, file);
        Assert.Null(load.Fault);
        Assert.Null(Store.Update(name, pair.CertificatePem));
        return load.Id!.Value;
    }

    public TlsServer Server(TlsOptions? options = null)
    {
        TlsServer? server = TlsServer.Create(options ?? new(["mx"]), Store, _threads, NullLogger.Instance, out Fault? fault);
        Assert.Null(fault);
        return server!;
    }

    public Task<SocketPair> PairAsync() => SocketPair.TcpAsync(_watch);

    /// <summary>A handshake with a client that trusts <paramref name="trusted"/> and nothing else; what the server's side says, and the client's error.</summary>
    public async Task<(Fault? Server, Exception? Client)> HandshakeAsync(
        TlsServer server, TestKeyPair trusted, SslProtocols protocol = SslProtocols.None, Action<SslClientAuthenticationOptions>? change = null)
    {
        await using SocketPair pair = await PairAsync();
        Task<Fault?> upgrading = pair.Server.UpgradeToTlsAsync(server, Patience).AsTask();
        await using SslStream client = new(new NetworkStream(pair.Client));
        SslClientAuthenticationOptions options = ClientOptions(trusted, protocol);
        change?.Invoke(options);
        try
        {
            await client.AuthenticateAsClientAsync(options);
            Fault? fault = await upgrading;
            if (fault is not null) return (fault, null);
            // The ticket of TLS 1.3 comes behind the handshake, with the first data.
            await pair.Server.SendAsync("220 hello\r\n"u8.ToArray());
            byte[] greeting = new byte[11];
            await client.ReadExactlyAsync(greeting);
            await client.ShutdownAsync();
            return (null, null);
        }
        catch (Exception error) when (error is AuthenticationException or IOException)
        {
            return (await upgrading, error);
        }
    }

    public static SslClientAuthenticationOptions ClientOptions(TestKeyPair trusted, SslProtocols protocol = SslProtocols.None) => new()
    {
        TargetHost = TestKeyPair.Name,
        EnabledSslProtocols = protocol,
        CertificateChainPolicy = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            RevocationMode = X509RevocationMode.NoCheck,
            CustomTrustStore = { trusted.Certificate },
        },
    };

    /// <summary>Text as an open file without a name.</summary>
    public static SafeFileHandle KeyFile(string text)
    {
        string path = Path.GetTempFileName();
        File.WriteAllText(path, text);
        SafeFileHandle file = File.OpenHandle(path);
        File.Delete(path);
        return file;
    }

    /// <summary>Ends the keys process.</summary>
    public async Task StopKeysAsync()
    {
        _channel.Dispose();
        await _serving.WaitAsync(Patience);
    }

    public async ValueTask DisposeAsync()
    {
        Signer.Dispose();
        await StopKeysAsync();
        Keys.Dispose();
        _threads.Dispose();
        _watch.Dispose();
    }
}

using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Posthouse.Server.Model;
using Posthouse.Server.Native;
using Posthouse.Server.Transport;
using Posthouse.Server.Transport.Keys;

namespace Posthouse.Tests.Transport.Keys;

public sealed class KeysHandshakeTests
{
    public static TheoryData<string, SslProtocols> KindsAndProtocols { get; } = new MatrixTheoryData<string, SslProtocols>(
        ["RSA-2048", "RSA-3072", "P-256", "P-384", "P-521"], [SslProtocols.Tls12, SslProtocols.Tls13]);

    [Theory]
    [MemberData(nameof(KindsAndProtocols))]
    public async Task A_handshake_is_signed_by_the_keys_process(string kind, SslProtocols protocol)
    {
        await using KeysRig rig = await KeysRig.StartAsync();
        TestKeyPair pair = TestKeyPair.Make(kind);
        await rig.LoadAsync(pair);
        (Fault? server, Exception? client) = await rig.HandshakeAsync(rig.Server(), pair, protocol);
        Assert.Null(client);
        Assert.Null(server);
        Assert.Equal(1, rig.Signer.Signatures);
        Assert.Equal(0, rig.Signer.Failures);
    }

    [Theory]
    [InlineData("RSA-2048")]
    [InlineData("P-256")]
    public async Task A_client_certificate_is_signed_for_by_the_keys_process(string kind)
    {
        await using KeysRig rig = await KeysRig.StartAsync();
        TestKeyPair server = TestKeyPair.Make("P-384"), client = TestKeyPair.Make(kind);
        await rig.LoadAsync(server);
        await rig.LoadAsync(client, "client");
        Assert.Null(rig.Store.UpdateAuthorities("clients", client.CertificatePem));
        TlsServer tls = rig.Server(new(["mx"]) { Clients = ClientCertificates.Required, Authorities = "clients" });
        (Fault? fault, Exception? error) = await rig.HandshakeAsync(tls, server, change: options => options.ClientCertificateContext = rig.Store.Find("client")!.Context);
        Assert.Null(error);
        Assert.Null(fault);
        Assert.Equal(2, rig.Signer.Signatures);
    }

    [Theory]
    [InlineData(SslProtocols.Tls12)]
    [InlineData(SslProtocols.Tls13)]
    public async Task A_resumed_session_needs_no_signature(SslProtocols protocol)
    {
        await using KeysRig rig = await KeysRig.StartAsync();
        TestKeyPair pair = TestKeyPair.Make("P-256");
        await rig.LoadAsync(pair);
        TlsServer server = rig.Server();
        for (int i = 0; i < 5; i++)
            Assert.Equal((null, null), await rig.HandshakeAsync(server, pair, protocol));
        Assert.Equal(1, rig.Signer.Signatures);
    }

    [Fact]
    public async Task Many_at_once_each_get_their_own_signature()
    {
        await using KeysRig rig = await KeysRig.StartAsync(sockets: 2, threads: 4);
        TestKeyPair first = TestKeyPair.Make("P-256"), second = TestKeyPair.Make("RSA-2048");
        await rig.LoadAsync(first);
        await rig.LoadAsync(second, "other");
        TlsServer one = rig.Server(), two = rig.Server(new(["other"]));
        await Task.WhenAll(Enumerable.Range(0, 60).Select(async i =>
        {
            (TlsServer server, TestKeyPair pair) = i % 2 == 0 ? (one, first) : (two, second);
            Assert.Equal((null, null), await rig.HandshakeAsync(server, pair, SslProtocols.Tls13, static options => options.AllowTlsResume = false));
        }));
        Assert.Equal(60, rig.Signer.Signatures);
    }

    [Fact]
    public async Task Without_the_keys_process_handshakes_fail_at_once_and_work_again_with_another()
    {
        await using KeysRig rig = await KeysRig.StartAsync();
        TestKeyPair pair = TestKeyPair.Make("P-256");
        await rig.LoadAsync(pair);
        TlsServer server = rig.Server();
        rig.Signer.Dispose();
        (Fault? fault, Exception? error) = await rig.HandshakeAsync(server, pair);
        Assert.NotNull(fault);
        Assert.NotNull(error);
        Assert.Contains("the keys process is gone", Assert.Single(rig.Log.Lines));

        await rig.ConnectAsync(1);
        Assert.Equal((null, null), await rig.HandshakeAsync(server, pair));
    }

    [Fact]
    public async Task A_client_in_the_clear_is_served_while_all_handshakes_wait_for_signatures()
    {
        await using KeysRig rig = new(threads: 2);
        TestKeyPair pair = TestKeyPair.Make("P-256");
        Assert.Null(rig.Store.Update("mx", pair.CertificatePem));
        // Sockets whose other end is there and says nothing.
        Assert.Equal(0, PacketSocket.Pair(out int asking, out int silent));
        using PacketSocket peer = new(silent);
        rig.Signer.Replace([asking]);
        TlsServer server = rig.Server();
        Task<(Fault?, Exception?)>[] stuck = [.. Enumerable.Range(0, 20).Select(_ => rig.HandshakeAsync(server, pair))];
        byte[] request = new byte[SigningPacket.MaxRequest];
        Assert.True(peer.Receive(request, [], out _) > 0);

        for (int i = 0; i < 50; i++)
        {
            await using SocketPair clear = await rig.PairAsync();
            await clear.Client.SendAsync("NOOP\r\n"u8.ToArray());
            byte[] buffer = new byte[10];
            Assert.Equal(6, await clear.Server.ReceiveAsync(buffer));
            Assert.True(await clear.Server.SendAsync("250 ok\r\n"u8.ToArray()));
            Assert.Equal(8, await clear.Client.ReceiveAsync(buffer));
        }
        Assert.DoesNotContain(stuck, static handshake => handshake.IsCompleted);
        peer.Dispose();
        foreach ((Fault? fault, Exception? error) in await Task.WhenAll(stuck))
        {
            Assert.NotNull(fault);
            Assert.NotNull(error);
        }
    }

    [Fact]
    public async Task A_handshake_under_way_ends_with_the_certificate_it_began_with()
    {
        await using KeysRig rig = await KeysRig.StartAsync();
        TestKeyPair old = TestKeyPair.Make("P-256"), young = TestKeyPair.Make("P-384");
        await rig.LoadAsync(old);
        SslStreamCertificateContext before = rig.Store.Find("mx")!.Context;
        TlsServer server = rig.Server();
        Assert.Equal((null, null), await rig.HandshakeAsync(server, old));
        await rig.LoadAsync(young);
        Assert.NotSame(before, rig.Store.Find("mx")!.Context);
        Assert.Equal((null, null), await rig.HandshakeAsync(server, young));
        Assert.NotNull((await rig.HandshakeAsync(server, old)).Client);

        // As SslStream would that has chosen already.
        using ECDsa key = before.TargetCertificate.GetECDsaPrivateKey()!;
        byte[] digest = new byte[32];
        using ECDsa known = old.Certificate.GetECDsaPublicKey()!;
        Assert.True(known.VerifyHash(digest, key.SignHash(digest)));
    }

    [Fact]
    public async Task The_same_certificate_again_keeps_its_sessions()
    {
        await using KeysRig rig = await KeysRig.StartAsync();
        TestKeyPair pair = TestKeyPair.Make("P-256");
        await rig.LoadAsync(pair);
        ServerCertificate certificate = rig.Store.Find("mx")!;
        await rig.LoadAsync(pair);
        Assert.Same(certificate, rig.Store.Find("mx"));
        Assert.Equal(1, rig.Keys.Count);
    }

    [Fact]
    public async Task Thousands_of_replacements_leave_nothing_behind()
    {
        await using KeysRig rig = await KeysRig.StartAsync(1);
        TestKeyPair[] pairs = [TestKeyPair.Make("P-256"), TestKeyPair.Make("RSA-2048"), TestKeyPair.Make("P-384")];
        TlsServer? server = null;
        for (int i = 0; i < 3000; i++)
        {
            TestKeyPair pair = pairs[i % pairs.Length];
            if (i < 30 || i % 300 == 0)
            {
                await rig.LoadAsync(pair);
                server ??= rig.Server();
                Assert.Equal((null, null), await rig.HandshakeAsync(server, pair));
            }
            else
            {
                Assert.Null(rig.Store.Update("mx", pair.CertificatePem));
            }
        }
        Assert.Equal(3, rig.Keys.Count);
        // Other tests run meanwhile and have some, too.
        for (int i = 0; i < 600 && DetachedKey.Count > 500; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            await Task.Yield();
        }
        Assert.InRange(DetachedKey.Count, 1, 500);
    }

    [Fact]
    public async Task Warming_up_signs_with_both_kinds_of_keys()
    {
        Assert.Null(await Task.Run(KeysProcess.WarmUp));
    }
}

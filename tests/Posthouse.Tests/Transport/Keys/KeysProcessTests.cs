using System.Security.Cryptography;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Win32.SafeHandles;
using Posthouse.Server.Model;
using Posthouse.Server.Native;
using Posthouse.Server.Processes;
using Posthouse.Server.Transport.Keys;

namespace Posthouse.Tests.Transport.Keys;

/// <summary>The conversation with the parent.</summary>
public sealed class KeysProcessTests
{
    [Fact]
    public async Task Keys_come_and_go()
    {
        await using KeysRig rig = await KeysRig.StartAsync(1);
        Assert.Null(await rig.Parent.PingAsync());
        TestKeyPair pair = TestKeyPair.Make("P-256");
        KeyId id = await rig.LoadAsync(pair);
        Assert.Equal(KeyId.Of(pair.Certificate), id);
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(pair.Certificate.PublicKey.ExportSubjectPublicKeyInfo())), id.ToString());
        Assert.True(rig.Signer.Sign(id, KeyOperation.Ecdsa, new byte[32], new byte[100], out _) > 0);
        Assert.Null(await rig.Parent.ForgetAsync(id));
        Assert.Equal(0, rig.Signer.Sign(id, KeyOperation.Ecdsa, new byte[32], new byte[100], out string? problem));
        Assert.Equal("refused: no such key", problem);
        Assert.Equal("no such key", (await rig.Parent.ForgetAsync(id))!.Detail);
    }

    [Fact]
    public async Task A_pair_that_does_not_fit_is_a_permanent_fault_and_no_answer_a_temporary_one()
    {
        await using KeysRig rig = await KeysRig.StartAsync(1);
        TestKeyPair one = TestKeyPair.Make("P-256"), two = TestKeyPair.Make("P-256");
        using SafeFileHandle file = KeysRig.KeyFile(two.KeyPem);
        KeyLoad load = await rig.Parent.LoadAsync(one.CertificatePem, file);
        Assert.Equal((null, true, "key and certificate do not belong together"), (load.Id, load.Fault!.IsPermanent, load.Fault.Detail));
        load = await rig.Parent.LoadAsync(new string('x', KeysProcess.MaxCertificates + 1), file);
        Assert.True(load.Fault!.IsPermanent);
        await rig.StopKeysAsync();
        load = await rig.Parent.LoadAsync(two.CertificatePem, file);
        Assert.Null(load.Id);
        Assert.False(load.Fault!.IsPermanent);
        Assert.False((await rig.Parent.PingAsync())!.IsPermanent);
    }

    [Fact]
    public async Task Sockets_served_go_on_when_others_are_given_and_there_is_a_bound()
    {
        await using KeysRig rig = await KeysRig.StartAsync(1);
        KeyId id = await rig.LoadAsync(TestKeyPair.Make("P-256"));
        List<PacketSocket> open = [];
        Fault? fault = null;
        for (int i = 0; i < 300 && fault is null; i++)
        {
            Assert.Equal(0, PacketSocket.Pair(out int ours, out int theirs));
            open.Add(new(ours));
            using SafeFileHandle handle = new(theirs, ownsHandle: true);
            fault = await rig.Parent.GiveSocketsAsync([handle]);
        }
        Assert.Equal("too many sockets", fault!.Detail);
        Assert.Equal(256, open.Count);
        Assert.True(rig.Signer.Sign(id, KeyOperation.Ecdsa, new byte[32], new byte[100], out _) > 0);
        foreach (PacketSocket socket in open) socket.Dispose();
    }

    [Theory]
    [InlineData((int)MessageKind.LoadKey, 0)]
    [InlineData((int)MessageKind.LoadKey, 40)]
    [InlineData((int)MessageKind.ForgetKey, 31)]
    [InlineData((int)MessageKind.ForgetKey, 33)]
    [InlineData((int)MessageKind.Configure, 0)]
    [InlineData(255, 1000)]
    public async Task Malformed_requests_are_answered_with_a_problem(int kind, int length)
    {
        using KeyTable keys = new();
        Assert.Equal(0, PacketSocket.Pair(out int ours, out int theirs));
        Task serving = KeysProcess.ServeAsync(theirs, keys);
        using (Channel channel = new(ours, "keys", static (_, _) => new(ChannelAnswer.Empty), NullLogger.Instance))
        {
            using ChannelAnswer? answer = await channel.AskAsync((MessageKind)kind, new byte[length], KeysRig.Patience, default);
            Assert.Equal(1, answer!.Payload.Span[0]);
            // And it goes on.
            using ChannelAnswer? pong = await channel.AskAsync(MessageKind.Ping, default, KeysRig.Patience, default);
            Assert.Equal([0], pong!.Payload.ToArray());
        }
        await serving.WaitAsync(KeysRig.Patience);
    }
}

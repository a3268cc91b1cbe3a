using Microsoft.Extensions.Time.Testing;
using Posthouse.Server.Native;
using Posthouse.Server.Transport.Keys;
using Posthouse.Tests.Delivering;

namespace Posthouse.Tests.Transport.Keys;

/// <summary>The engine's side, with a test at the other end that behaves as no keys process should.</summary>
public sealed class SigningSocketsTests : IDisposable
{
    private static readonly KeyId s_key = new(1, 2, 3, 4);

    private readonly RecordingLogger _log = new();
    private readonly FakeTimeProvider _time = new();
    private readonly byte[] _packet = new byte[SigningPacket.MaxRequest];
    private readonly List<IDisposable> _open = [];

    public void Dispose()
    {
        foreach (IDisposable thing in _open) thing.Dispose();
    }

    [Fact]
    public async Task An_answer_that_comes_too_late_is_dropped()
    {
        SigningSockets signer = Signer(TimeSpan.FromMilliseconds(20));
        PacketSocket peer = Connect(signer);
        byte[] signature = new byte[SignatureInput.MaxSize];
        Assert.Equal(0, Sign(signer, signature, out string? problem));
        Assert.Equal("no answer within 0.02 s", problem);
        byte[] late = Request(peer);

        SigningSockets patient = Signer(KeysRig.Patience);
        PacketSocket other = Connect(patient);
        Task<int> second = Task.Run(() => Sign(patient, signature, out _));
        byte[] request = Request(other);
        // First one with the number of nobody, as the late one would be, then a whole series, then the right one.
        foreach (byte wrong in (byte[])[1, 2, 3])
        {
            byte[] old = [.. request[..8], 0, 9, 9, 9];
            old[7] ^= wrong;
            Assert.Equal(0, other.Send(old, []));
        }
        Assert.Equal(0, other.Send([.. request[..8], 0, 7, 7], []));
        Assert.Equal(2, await second);
        Assert.Equal([7, 7], signature[..2]);

        // And the real late one: its number is not the next's.
        Assert.Equal(0, peer.Send([.. late[..8], 0, 9, 9, 9], []));
        Assert.Equal(0, Sign(signer, signature, out problem));
        Assert.Equal("no answer within 0.02 s", problem);
        Assert.NotEqual(late[..8], Request(peer)[..8]);
    }

    [Fact]
    public void A_signature_without_a_peer_fails_at_once_and_is_logged_once_in_a_while()
    {
        SigningSockets signer = Signer(KeysRig.Patience);
        Assert.Equal(0, Sign(signer, [], out string? problem));
        Assert.Equal("the keys process is gone", problem);
        Connect(signer).Dispose();
        for (int i = 0; i < 9; i++)
            Assert.Equal(0, Sign(signer, new byte[100], out _));
        Assert.Equal("tls: 1 signatures not made since the last such line: the keys process is gone", Assert.Single(_log.Lines));
        _time.Advance(TimeSpan.FromSeconds(10));
        Sign(signer, [], out _);
        Assert.Equal("tls: 10 signatures not made since the last such line: the keys process is gone", _log.Lines[1]);
        Assert.Equal(11, signer.Failures);
    }

    [Fact]
    public async Task A_peer_that_goes_while_it_is_waited_for_is_noticed_by_all_who_wait()
    {
        SigningSockets signer = Signer(KeysRig.Patience);
        PacketSocket peer = Connect(signer);
        Task<int>[] waiting = [.. Enumerable.Range(0, 4).Select(_ => Task.Factory.StartNew(() => Sign(signer, new byte[100], out string? _), TaskCreationOptions.LongRunning))];
        Request(peer);
        peer.Dispose();
        Assert.All(await Task.WhenAll(waiting), static length => Assert.Equal(0, length));
    }

    [Fact]
    public async Task Who_waits_for_a_socket_takes_a_new_one_and_who_waits_for_an_answer_gets_it()
    {
        SigningSockets signer = Signer(KeysRig.Patience);
        PacketSocket old = Connect(signer);
        Task<int> first = Task.Factory.StartNew(() => Sign(signer, new byte[100], out _), TaskCreationOptions.LongRunning);
        byte[] asked = Request(old);
        Task<int> second = Task.Factory.StartNew(() => Sign(signer, new byte[100], out _), TaskCreationOptions.LongRunning);
        PacketSocket young = Connect(signer);
        byte[] askedLater = Request(young);
        Assert.Equal(0, young.Send([.. askedLater[..8], 0, 1, 2, 3], []));
        Assert.Equal(3, await second);
        Assert.Equal(0, old.Send([.. asked[..8], 0, 1, 2], []));
        Assert.Equal(2, await first);
        // Nobody needs the old one any more.
        Assert.Equal(0, old.Receive(_packet, [], out _));
    }

    [Theory]
    [InlineData(0, 0, "an answer of the wrong length")]
    [InlineData(0, 101, "an answer of the wrong length")]
    [InlineData(1, 0, "refused: ")]
    [InlineData(2, 3, "refused: \0\0\0")]
    public async Task A_strange_answer_is_no_signature(byte status, int length, string expected)
    {
        SigningSockets signer = Signer(KeysRig.Patience);
        PacketSocket peer = Connect(signer);
        string? problem = null;
        Task<int> signing = Task.Factory.StartNew(() => Sign(signer, new byte[100], out problem), TaskCreationOptions.LongRunning);
        byte[] request = Request(peer);
        Assert.Equal(0, peer.Send([.. request[..8], status, .. new byte[length]], []));
        Assert.Equal(0, await signing);
        Assert.Equal(expected, problem);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(8)]
    [InlineData(5000)]
    public async Task A_peer_that_sends_what_is_no_answer_is_not_spoken_to_again(int length)
    {
        SigningSockets signer = Signer(KeysRig.Patience);
        PacketSocket peer = Connect(signer);
        Task<int> signing = Task.Factory.StartNew(() => Sign(signer, new byte[100], out _), TaskCreationOptions.LongRunning);
        Request(peer);
        Assert.Equal(0, peer.Send(new byte[length], []));
        Assert.Equal(0, await signing);
        Assert.Equal(0, peer.Receive(_packet, [], out _));
    }

    [Fact]
    public void The_keys_side_ends_a_socket_on_which_no_request_comes_and_no_other()
    {
        using KeyTable keys = new();
        using CountdownEvent ended = new(4);
        PacketSocket good = Served(keys, ended);
        byte[][] hostile = [[1], new byte[SigningPacket.RequestHeader], new byte[SigningPacket.MaxRequest + 1], new byte[60000]];
        foreach (byte[] request in hostile)
        {
            PacketSocket peer = Served(keys, ended);
            Assert.Equal(0, peer.Send(request, []));
            Assert.Equal(0, peer.Receive(_packet, [], out _));
        }
        Assert.True(ended.Wait(KeysRig.Patience));

        byte[] refused = new byte[SigningPacket.RequestHeader + 1];
        Assert.Equal(0, good.Send(refused, []));
        Assert.Equal(SigningPacket.AnswerHeader + "no such key".Length, good.Receive(_packet, [], out _));
        Assert.Equal(1, _packet[8]);
    }

    [Fact]
    public void Descriptors_that_come_to_the_keys_side_are_closed_with_the_socket()
    {
        using KeyTable keys = new();
        using CountdownEvent ended = new(1);
        PacketSocket peer = Served(keys, ended);
        Assert.Equal(0, PacketSocket.Pair(out int ours, out int theirs));
        using PacketSocket watched = new(ours);
        Assert.Equal(0, peer.Send(new byte[SigningPacket.RequestHeader + 1], [theirs]));
        new PacketSocket(theirs).Dispose();
        Assert.Equal(0, watched.Receive(_packet, [], out _));
        Assert.True(ended.Wait(KeysRig.Patience));
    }

    private PacketSocket Served(KeyTable keys, CountdownEvent ended)
    {
        Assert.Equal(0, PacketSocket.Pair(out int ours, out int theirs));
        SigningServer.Start(new PacketSocket(theirs), keys, () =>
        {
            if (!ended.IsSet) ended.Signal();
        });
        return Keep(new PacketSocket(ours));
    }

    private SigningSockets Signer(TimeSpan limit) => Keep(new SigningSockets(_time, _log, limit));

    private PacketSocket Connect(SigningSockets signer)
    {
        Assert.Equal(0, PacketSocket.Pair(out int asking, out int answering));
        signer.Replace([asking]);
        PacketSocket peer = Keep(new PacketSocket(answering));
        peer.SetReceiveTimeout(KeysRig.Patience);
        return peer;
    }

    private byte[] Request(PacketSocket peer)
    {
        int length = peer.Receive(_packet, [], out _);
        Assert.Equal(SigningPacket.RequestHeader + 32, length);
        return _packet[..length];
    }

    private static int Sign(SigningSockets signer, byte[] signature, out string? problem) =>
        signer.Sign(s_key, KeyOperation.Ecdsa, new byte[32], signature, out problem);

    private T Keep<T>(T thing)
        where T : IDisposable
    {
        _open.Add(thing);
        return thing;
    }
}

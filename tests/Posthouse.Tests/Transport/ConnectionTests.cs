using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Time.Testing;
using Posthouse.Server.Transport;

namespace Posthouse.Tests.Transport;

public sealed class ConnectionTests : IDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly DeadlineWatch _watch;
    private readonly byte[] _buffer = new byte[1024];

    public ConnectionTests() => _watch = new DeadlineWatch(_time);

    public void Dispose() => _watch.Dispose();

    [Fact]
    public async Task Bytes_go_both_ways()
    {
        await using SocketPair pair = await SocketPair.TcpAsync(_watch);
        await pair.Client.SendAsync("EHLO a\r\n"u8.ToArray());
        Assert.Equal(8, await pair.Server.ReceiveAsync(_buffer));
        Assert.Equal("EHLO a\r\n"u8, _buffer.AsSpan(0, 8));
        Assert.True(await pair.Server.SendAsync("250 b\r\n"u8.ToArray()));
        Assert.Equal(7, await pair.Client.ReceiveAsync(_buffer));
        Assert.Equal(IPAddress.Loopback, pair.Server.Remote!.Address);
        Assert.Equal(((IPEndPoint)pair.Client.LocalEndPoint!).Port, pair.Server.Remote.Port);
        Assert.Equal(((IPEndPoint)pair.Client.RemoteEndPoint!).Port, pair.Server.Local!.Port);
        Assert.Null(pair.Server.Peer);
    }

    [Fact]
    public async Task A_peer_that_closes_ends_the_input()
    {
        await using SocketPair pair = await SocketPair.TcpAsync(_watch);
        pair.Client.Shutdown(SocketShutdown.Send);
        Assert.Equal(0, await pair.Server.ReceiveAsync(_buffer));
        Assert.Equal(ConnectionEnd.Closed, pair.Server.End);
        Assert.True(await pair.Server.SendAsync("421 bye\r\n"u8.ToArray()));
    }

    [Fact]
    public async Task A_peer_that_resets_breaks_the_connection_without_an_exception()
    {
        await using SocketPair pair = await SocketPair.TcpAsync(_watch);
        pair.Client.LingerState = new LingerOption(true, 0);
        pair.Client.Close();
        Assert.Equal(0, await pair.Server.ReceiveAsync(_buffer));
        Assert.Equal(ConnectionEnd.Broken, pair.Server.End);
        Assert.NotNull(pair.Server.EndDetail);
        Assert.False(await pair.Server.SendAsync(_buffer));
    }

    [Fact]
    public async Task Waiting_for_data_takes_none_of_it()
    {
        await using SocketPair pair = await SocketPair.TcpAsync(_watch);
        ValueTask waiting = pair.Server.WaitForDataAsync();
        Assert.False(waiting.IsCompleted);
        await pair.Client.SendAsync("x"u8.ToArray());
        await waiting;
        Assert.Equal(ConnectionEnd.None, pair.Server.End);
        Assert.Equal(1, await pair.Server.ReceiveAsync(_buffer));
    }

    [Fact]
    public async Task A_receive_past_its_deadline_ends_the_input_but_the_last_words_still_go_out()
    {
        await using SocketPair pair = await SocketPair.TcpAsync(_watch);
        pair.Server.SetDeadline(TimeSpan.FromMinutes(5));
        ValueTask<int> receiving = pair.Server.ReceiveAsync(_buffer);
        _time.Advance(TimeSpan.FromMinutes(5));
        Assert.False(receiving.IsCompleted);
        _time.Advance(TimeSpan.FromSeconds(2));
        Assert.Equal(0, await receiving);
        Assert.Equal(ConnectionEnd.TimedOut, pair.Server.End);
        await pair.Client.SendAsync("too late"u8.ToArray());
        Assert.Equal(0, await pair.Server.ReceiveAsync(_buffer));
        Assert.True(await pair.Server.SendAsync("421 timeout\r\n"u8.ToArray()));
        Assert.Equal(13, await pair.Client.ReceiveAsync(new byte[100]));
    }

    [Fact]
    public async Task A_send_past_its_deadline_ends_everything()
    {
        await using SocketPair pair = await SocketPair.TcpAsync(_watch);
        pair.Server.SetDeadline(TimeSpan.FromSeconds(10));
        // More than the buffers of both sockets take, to a client that does not read.
        ValueTask<bool> sending = pair.Server.SendAsync(new byte[64 * 1024 * 1024]);
        Assert.False(sending.IsCompleted);
        _time.Advance(TimeSpan.FromSeconds(12));
        Assert.False(await sending);
        Assert.Equal(ConnectionEnd.TimedOut, pair.Server.End);
    }

    [Fact]
    public async Task A_deadline_that_was_cleared_or_moved_does_not_fire()
    {
        await using SocketPair pair = await SocketPair.TcpAsync(_watch);
        pair.Server.SetDeadline(TimeSpan.FromSeconds(10));
        _time.Advance(TimeSpan.FromSeconds(8));
        pair.Server.SetDeadline(TimeSpan.FromSeconds(10));
        _time.Advance(TimeSpan.FromSeconds(8));
        pair.Server.ClearDeadline();
        _time.Advance(TimeSpan.FromHours(1));
        Assert.Equal(ConnectionEnd.None, pair.Server.End);
    }

    [Fact]
    public async Task Interrupting_all_lets_every_session_take_leave()
    {
        await using SocketPair first = await SocketPair.TcpAsync(_watch);
        await using SocketPair second = await SocketPair.TcpAsync(_watch);
        ValueTask<int> one = first.Server.ReceiveAsync(_buffer);
        ValueTask<int> two = second.Server.ReceiveAsync(new byte[10]);
        Assert.Equal(2, _watch.Count);
        _watch.InterruptAll();
        Assert.Equal(0, await one);
        Assert.Equal(0, await two);
        Assert.Equal(ConnectionEnd.Interrupted, first.Server.End);
        Assert.True(await second.Server.SendAsync("421 4.3.2 stopping\r\n"u8.ToArray()));
    }

    [Fact]
    public async Task The_watch_forgets_what_is_disposed()
    {
        SocketPair first = await SocketPair.TcpAsync(_watch);
        await using SocketPair second = await SocketPair.TcpAsync(_watch);
        SocketPair third = await SocketPair.TcpAsync(_watch);
        await first.DisposeAsync();
        await third.DisposeAsync();
        Assert.Equal(1, _watch.Count);
        second.Server.SetDeadline(TimeSpan.FromSeconds(1));
        _time.Advance(TimeSpan.FromSeconds(3));
        Assert.Equal(ConnectionEnd.TimedOut, second.Server.End);
    }

    [Fact]
    public async Task A_unix_socket_tells_who_is_behind_it()
    {
        string path = Path.Combine(Path.GetTempPath(), $"posthouse-{Guid.NewGuid():N}.sock");
        try
        {
            await using SocketPair pair = await SocketPair.UnixAsync(path, _watch);
            Assert.Equal(Environment.ProcessId, pair.Server.Peer!.Value.Process);
            Assert.True(pair.Server.IsUnix);
            Assert.Null(pair.Server.Remote);
        }
        finally
        {
            File.Delete(path);
        }
    }
}

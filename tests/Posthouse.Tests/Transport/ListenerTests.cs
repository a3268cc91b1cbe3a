using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;
using Posthouse.Server.Transport;

namespace Posthouse.Tests.Transport;

public sealed class ListenerTests : IDisposable
{
    private readonly DeadlineWatch _watch = new(TimeProvider.System);
    private readonly Socket _socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);

    public ListenerTests()
    {
        _socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _socket.Listen();
    }

    public void Dispose()
    {
        _socket.Dispose();
        _watch.Dispose();
    }

    [Fact]
    public async Task Every_connection_gets_a_session_and_those_beyond_the_limit_are_told()
    {
        SessionLimiter limiter = new(1, 10);
        TaskCompletionSource release = new();
        ConcurrentQueue<SessionAdmission> seen = new();
        using CancellationTokenSource stop = new();
        using Listener listener = new(_socket, _watch, limiter, async (connection, admission) =>
        {
            seen.Enqueue(admission);
            await connection.SendAsync(admission == SessionAdmission.Admitted ? "220"u8.ToArray() : "421"u8.ToArray());
            if (admission == SessionAdmission.Admitted)
                await release.Task;
        }, NullLogger.Instance);
        Task running = listener.RunAsync(stop.Token);

        using Socket first = await ConnectAsync();
        Assert.Equal("220", await ReadAsync(first));
        using Socket second = await ConnectAsync();
        Assert.Equal("421", await ReadAsync(second));
        Assert.Equal("", await ReadAsync(second));
        release.SetResult();
        Assert.Equal("", await ReadAsync(first));
        using Socket third = await ConnectAsync();
        // The place may be given back a moment after the client saw the end.
        Assert.Contains(await ReadAsync(third), new[] { "220", "421" });
        await stop.CancelAsync();
        await running;
        Assert.Equal([SessionAdmission.Admitted, SessionAdmission.ServerFull], seen.Take(2));
    }

    [Fact]
    public async Task A_session_that_throws_hurts_no_other()
    {
        SessionLimiter limiter = new(10, 10);
        int sessions = 0;
        using CancellationTokenSource stop = new();
        using Listener listener = new(_socket, _watch, limiter, async (connection, _) =>
        {
            if (Interlocked.Increment(ref sessions) == 1)
                throw new InvalidOperationException("a bug");
            await connection.SendAsync("220"u8.ToArray());
        }, NullLogger.Instance);
        Task running = listener.RunAsync(stop.Token);
        using Socket first = await ConnectAsync();
        Assert.Equal("", await ReadAsync(first));
        using Socket second = await ConnectAsync();
        Assert.Equal("220", await ReadAsync(second));
        Assert.Equal("", await ReadAsync(second));
        await stop.CancelAsync();
        await running;
    }

    [Fact]
    public async Task Paused_it_takes_no_connection_and_resumed_it_takes_those_that_waited()
    {
        int sessions = 0;
        using CancellationTokenSource stop = new();
        FakeTimeProvider time = new();
        using DeadlineWatch watch = new(time);
        using Listener listener = new(_socket, watch, new SessionLimiter(10, 10), async (connection, _) =>
        {
            Interlocked.Increment(ref sessions);
            await connection.SendAsync("220"u8.ToArray());
        }, NullLogger.Instance);
        Task running = listener.RunAsync(stop.Token);
        listener.IsPaused = true;
        using Socket waiting = await ConnectAsync();
        Task<string> reading = ReadAsync(waiting);
        for (int i = 0; i < 10; i++)
        {
            time.Advance(TimeSpan.FromSeconds(1));
            await Task.Yield();
        }
        Assert.False(reading.IsCompleted);
        Assert.Equal(0, sessions);
        listener.IsPaused = false;
        while (!reading.IsCompleted)
        {
            time.Advance(TimeSpan.FromSeconds(1));
            await Task.Yield();
        }
        Assert.Equal("220", await reading);
        await stop.CancelAsync();
        await running;
    }

    [Fact]
    public void Limits_count_by_address_and_spare_loopback()
    {
        SessionLimiter limiter = new(5, 2);
        IPAddress one = IPAddress.Parse("192.0.2.1");
        Assert.Equal(SessionAdmission.Admitted, limiter.Enter(one));
        Assert.Equal(SessionAdmission.Admitted, limiter.Enter(one));
        Assert.Equal(SessionAdmission.AddressFull, limiter.Enter(one));
        limiter.Leave(one);
        Assert.Equal(SessionAdmission.Admitted, limiter.Enter(one));
        Assert.Equal(SessionAdmission.Admitted, limiter.Enter(IPAddress.Loopback));
        Assert.Equal(SessionAdmission.Admitted, limiter.Enter(IPAddress.Loopback));
        Assert.Equal(SessionAdmission.Admitted, limiter.Enter(IPAddress.IPv6Loopback));
        Assert.Equal(SessionAdmission.ServerFull, limiter.Enter(null));
        Assert.Equal(5, limiter.Count);
    }

    [Fact]
    public void Addresses_of_one_IPv6_network_count_as_one()
    {
        SessionLimiter limiter = new(5, 1);
        Assert.Equal(SessionAdmission.Admitted, limiter.Enter(IPAddress.Parse("2001:db8::1")));
        Assert.Equal(SessionAdmission.AddressFull, limiter.Enter(IPAddress.Parse("2001:db8::ffff:2")));
        Assert.Equal(SessionAdmission.Admitted, limiter.Enter(IPAddress.Parse("2001:db8:0:1::1")));
        limiter.Leave(IPAddress.Parse("2001:db8::1"));
        Assert.Equal(SessionAdmission.Admitted, limiter.Enter(IPAddress.Parse("2001:db8::3")));
    }

    private async Task<Socket> ConnectAsync()
    {
        Socket client = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await client.ConnectAsync(_socket.LocalEndPoint!);
        return client;
    }

    private static async Task<string> ReadAsync(Socket socket)
    {
        byte[] buffer = new byte[16];
        int count = await socket.ReceiveAsync(buffer);
        return System.Text.Encoding.ASCII.GetString(buffer, 0, count);
    }
}

using System.Net.Sockets;
using System.Text;
using Posthouse.Server.Transport;

namespace Posthouse.Tests.Control;

/// <summary>What any local user can do to the control socket, which everybody may connect to.</summary>
public sealed class ControlFloodTests
{
    private const string Status = "{\"verb\":\"status\"}\n";

    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task One_user_has_so_many_places_and_gets_them_back()
    {
        await using ControlRig rig = new(maxClients: 100, maxPerUser: 3);
        List<Socket> clients = [];
        for (int i = 0; i < 3; i++)
        {
            clients.Add(rig.ConnectRaw());
            Assert.Contains("\"ok\":true", await AskAsync(clients[^1], Status), StringComparison.Ordinal);
        }

        using (Socket fourth = rig.ConnectRaw()) Assert.Equal("{\"ok\":false,\"error\":\"too many clients\"}\n", await ReadToEndAsync(fourth));
        foreach (Socket client in clients) client.Dispose();
        await UntilAsync(rig, static rig => rig.Mail.Counters["control.session"].Value == 0);
        using Socket again = rig.ConnectRaw();
        Assert.Contains("\"ok\":true", await AskAsync(again, Status), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Who_does_not_read_is_cut_off_and_holds_up_nobody()
    {
        await using ControlRig rig = new(standsStill: true);
        using Socket slow = rig.ConnectRaw();
        slow.Blocking = false;
        DateTimeOffset begin = rig.Mail.Time.GetUtcNow();
        byte[] requests = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("{\"verb\":\"stats\"}\n", 10_000)));
        int sent = 0;
        await UntilAsync(rig, _ =>
        {
            try
            {
                sent += slow.Send(requests.AsSpan(sent));
            }
            catch (SocketException)
            {
                // Either the server reads no more because it waits for us to take its answers, or it has cut us off.
            }

            rig.Mail.Time.Advance(TimeSpan.FromSeconds(1));
            return sent > 0 && rig.Mail.Counters["control.session"].Value == 0 && rig.Mail.Time.GetUtcNow() > begin.AddSeconds(30);
        });
        using Socket other = rig.ConnectRaw();
        Assert.Contains("\"ok\":true", await AskAsync(other, Status), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{\"verb\":")]
    public async Task Who_says_nothing_or_half_a_request_is_cut_off(string beginning)
    {
        await using ControlRig rig = new(standsStill: true);
        using Socket client = rig.ConnectRaw();
        await SendAsync(client, beginning);
        await UntilAsync(rig, static rig => rig.Mail.Counters["control.session"].Value == 1);
        Task<string> end = ReadToEndAsync(client);
        await UntilAsync(rig, rig =>
        {
            rig.Mail.Time.Advance(TimeSpan.FromSeconds(10));
            return end.IsCompleted;
        });
        Assert.Equal("", await end);
    }

    [Fact]
    public async Task A_byte_now_and_then_is_no_request()
    {
        await using ControlRig rig = new(standsStill: true);
        using Socket client = rig.ConnectRaw();
        Task<string> end = ReadToEndAsync(client);
        await UntilAsync(rig, rig =>
        {
            try
            {
                client.Send("x"u8);
            }
            catch (SocketException)
            {
                // Cut off: that is what is waited for.
            }

            // A byte every 30 s would never be 5 minutes of silence, and 4096 of them are a day and a half.
            rig.Mail.Time.Advance(TimeSpan.FromSeconds(30));
            return end.IsCompleted;
        });
        Assert.DoesNotContain("too long", await end, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Random_bytes_end_only_the_connection_they_came_by()
    {
        await using ControlRig rig = new();
        using Socket good = rig.ConnectRaw();
        Random random = new(7);
        for (int i = 0; i < 300; i++)
        {
            byte[] garbage = new byte[random.Next(1, 6000)];
            random.NextBytes(garbage);
            garbage[^1] = (byte)'\n';
            using Socket client = rig.ConnectRaw();
            try
            {
                await client.SendAsync(garbage, Token);
                Assert.DoesNotContain("\"ok\":true", await ReadToEndAsync(client), StringComparison.Ordinal);
            }
            catch (SocketException)
            {
                // The server hung up in the middle of it.
            }
        }

        Assert.Contains("\"ok\":true", await AskAsync(good, Status), StringComparison.Ordinal);
    }

    [Fact]
    public void Users_of_the_local_socket_are_counted_like_addresses_and_root_is_not()
    {
        SessionLimiter limiter = new(10, 2);
        Assert.Equal(SessionAdmission.Admitted, limiter.Enter(null, 1000));
        Assert.Equal(SessionAdmission.Admitted, limiter.Enter(null, 1000));
        Assert.Equal(SessionAdmission.AddressFull, limiter.Enter(null, 1000));
        Assert.Equal(SessionAdmission.Admitted, limiter.Enter(null, 1001));
        for (int i = 0; i < 5; i++) Assert.Equal(SessionAdmission.Admitted, limiter.Enter(null, 0));
        limiter.Leave(null, 1000);
        Assert.Equal(SessionAdmission.Admitted, limiter.Enter(null, 1000));
        Assert.Equal(8, limiter.Count);
    }

    private static async Task SendAsync(Socket socket, string text)
    {
        try
        {
            await socket.SendAsync(Encoding.ASCII.GetBytes(text), Token);
        }
        catch (SocketException)
        {
            // Refused before it was asked.
        }
    }

    private static async Task<string> AskAsync(Socket socket, string text)
    {
        await SendAsync(socket, text);
        byte[] buffer = new byte[4096];
        StringBuilder answer = new();
        while (!answer.ToString().Contains("\"ok\"", StringComparison.Ordinal))
        {
            int count = await socket.ReceiveAsync(buffer, Token).AsTask().WaitAsync(TimeSpan.FromSeconds(60), Token);
            if (count == 0) break;
            answer.Append(Encoding.UTF8.GetString(buffer, 0, count));
        }

        return answer.ToString();
    }

    private static async Task<string> ReadToEndAsync(Socket socket)
    {
        byte[] buffer = new byte[4096];
        StringBuilder text = new();
        try
        {
            for (int count; (count = await socket.ReceiveAsync(buffer, Token).AsTask().WaitAsync(TimeSpan.FromSeconds(60), Token)) > 0;)
                text.Append(Encoding.UTF8.GetString(buffer, 0, count));
        }
        catch (SocketException)
        {
            // Reset with something unread: as good an end.
        }

        return text.ToString();
    }

    private static async Task UntilAsync(ControlRig rig, Func<ControlRig, bool> condition)
    {
        using CancellationTokenSource deadline = CancellationTokenSource.CreateLinkedTokenSource(Token);
        deadline.CancelAfter(TimeSpan.FromSeconds(60));
        using PeriodicTimer poll = new(TimeSpan.FromMilliseconds(5));
        while (!condition(rig)) await poll.WaitForNextTickAsync(deadline.Token);
    }
}

using System.Net.Security;
using System.Net.Sockets;
using System.Text;
using Posthouse.Plugs;
using Posthouse.Server.Receiving;
using Posthouse.Server.Transport;

namespace Posthouse.Tests.Receiving;

public class SmtpSessionTests
{
    private static readonly CancellationToken s_cancellation = TestContext.Current.CancellationToken;

    private const string Greeting = "HELO a.example\r\nMAIL FROM:<joe@example.com>\r\nRCPT TO:<ann@example.org>\r\n";

    [Fact]
    public async Task A_session_beyond_the_limit_hears_421()
    {
        await using SmtpServerFixture server = new();
        Assert.Equal("421 4.3.2 Too many connections, try again later\r\n", await server.ReadToEndAsync(await server.ConnectAsync(admission: SessionAdmission.ServerFull)));
        Assert.Equal("421 4.7.0 Too many connections from your address\r\n", await server.ReadToEndAsync(await server.ConnectAsync("192.0.2.1", SessionAdmission.AddressFull)));
        Assert.Contains(server.Log, line => line.EndsWith("smtp refused address=192.0.2.1 reason=\"Too many connections from your address\"", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_idle_client_hears_421_when_its_time_is_over()
    {
        await using SmtpServerFixture server = new();
        Socket client = await server.ConnectAsync();
        await server.ReadRepliesAsync(client, 1);
        await server.AskAsync(client, "NOOP\r\nNOO");
        await server.SettleAsync();
        server.Time.Advance(TimeSpan.FromMinutes(4.9));
        Assert.False(server.Session.IsCompleted);
        server.Time.Advance(TimeSpan.FromSeconds(10));
        Assert.Equal("421 4.4.2 Timeout\r\n", await server.ReadToEndAsync(client));
        await server.Session;
        Assert.Contains(server.Log, line => line.EndsWith("disconnected reason=timeout", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_session_has_an_end_even_if_it_is_never_idle()
    {
        SessionProfile profile = SmtpServerFixture.Profile with { Limits = new() { SessionTimeout = TimeSpan.FromMinutes(7) } };
        await using SmtpServerFixture server = new(profile);
        Socket client = await server.ConnectAsync();
        await server.ReadRepliesAsync(client, 1);
        await server.SettleAsync();
        server.Time.Advance(TimeSpan.FromMinutes(4));
        Assert.StartsWith("250", await server.AskAsync(client, "NOOP\r\n"), StringComparison.Ordinal);
        await server.SettleAsync();
        server.Time.Advance(TimeSpan.FromMinutes(3.1));
        Assert.Equal("421 4.4.2 Timeout\r\n", await server.ReadToEndAsync(client));
    }

    [Theory]
    [InlineData("")]
    [InlineData("EHL")]
    [InlineData(Greeting)]
    [InlineData(Greeting + "DATA\r\n")]
    [InlineData(Greeting + "DATA\r\nSubject: x\r\n\r\nbody\r\n.\r")]
    [InlineData(Greeting + "BDAT 100\r\nSubject")]
    [InlineData(Greeting + "BDAT 5\r\nSubje")]
    public async Task A_client_that_goes_away_leaves_nothing_but_a_line_in_the_log(string said)
    {
        await using SmtpServerFixture server = new();
        Socket client = await server.ConnectAsync();
        await SmtpServerFixture.SendAsync(client, said);
        client.Shutdown(SocketShutdown.Send);
        await server.ReadToEndAsync(client);
        await server.Session;
        Assert.Empty(server.Envelopes);
        Assert.Empty((await server.Queue.WalkAsync(cancellation: s_cancellation).ToListAsync(s_cancellation)));
        Assert.Contains(server.Log, line => line.EndsWith("smtp disconnected reason=disconnect", StringComparison.Ordinal));
        Assert.Equal(0, server.Counters["smtp.session"].Value);
        Assert.Equal(0, server.Counters["smtp.session.inet4"].Value);
    }

    [Fact]
    public async Task A_bug_is_a_temporary_failure_of_its_session_alone()
    {
        await using SmtpServerFixture server = new();
        Socket client = await server.ConnectAsync(), other = await server.ConnectAsync();
        await SmtpServerFixture.SendAsync(client, "HELO a\r\nMAIL FROM:<>\r\nRCPT TO:<bug@example.org>\r\n");
        Assert.EndsWith("421 4.3.0 Temporary internal error\r\n", await server.ReadToEndAsync(client), StringComparison.Ordinal);
        Assert.Contains(server.Log, line => line.Contains("a bug in the rules", StringComparison.Ordinal));
        await server.ReadRepliesAsync(other, 1);
        Assert.StartsWith("250", await server.AskAsync(other, "NOOP\r\n"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Stopping_lets_a_message_finish_and_sends_the_others_away()
    {
        await using SmtpServerFixture server = new();
        Socket idle = await server.ConnectAsync(), busy = await server.ConnectAsync();
        await server.ReadRepliesAsync(idle, 1);
        await server.ReadRepliesAsync(busy, 1);
        Assert.Contains("354", await server.AskAsync(busy, Greeting + "DATA\r\n", 4), StringComparison.Ordinal);
        Task stopping = server.Receiver.StopAsync(TimeSpan.FromSeconds(30));
        Assert.Equal("421 4.3.2 Service shutting down\r\n", await server.ReadToEndAsync(idle));
        Assert.False(stopping.IsCompleted);
        await SmtpServerFixture.SendAsync(busy, "Subject: x\r\n.\r\n");
        Assert.Matches("^250 2.0.0 [0-9a-f]{8} Message accepted for delivery\r\n421 4.3.2 Service shutting down\r\n$", await server.ReadToEndAsync(busy));
        await stopping.WaitAsync(TimeSpan.FromSeconds(60), s_cancellation);
        Assert.Equal(0, server.Receiver.Open);
    }

    [Fact]
    public async Task Stopping_does_not_wait_for_ever()
    {
        await using SmtpServerFixture server = new();
        Socket busy = await server.ConnectAsync();
        await server.AskAsync(busy, Greeting + "DATA\r\n", 5);
        Task stopping = server.Receiver.StopAsync(TimeSpan.FromSeconds(30));
        server.Time.Advance(TimeSpan.FromSeconds(31));
        await stopping.WaitAsync(TimeSpan.FromSeconds(60), s_cancellation);
        Assert.Empty(server.Envelopes);
    }

    [Fact]
    public async Task An_envelope_says_all_that_the_session_knows()
    {
        await using SmtpServerFixture server = new(SmtpServerFixture.Profile with { Tag = "in" });
        Socket client = await server.ConnectAsync("2001:db8::7");
        await SmtpServerFixture.SendAsync(client, "EHLO relay.example\r\nMAIL FROM:<jörg@example.com> SMTPUTF8 RET=HDRS ENVID=x+2By\r\n"
            + "RCPT TO:<ann@example.org> NOTIFY=NEVER ORCPT=rfc822;A@b\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n\r\nhello\r\n.\r\nQUIT\r\n");
        Assert.Contains("[IPv6:2001:db8::7]", await server.ReadToEndAsync(client), StringComparison.Ordinal);
        Assert.Equal(2, server.Envelopes.Count);
        Envelope ann = server.Envelopes[0];
        Assert.Equal(("jörg@example.com", "ann@example.org", "2001:db8::7", "relay.example", "in", "mx.example.org"),
            (ann.Sender, ann.Recipient, ann.Client, ann.Helo, ann.Tag, ann.ServerName));
        Assert.Equal(ann.Created + 4 * 86400, ann.Expires);
        Assert.Equal((await server.ContentAsync(ann.Id.Message)).Length, ann.Size);
        Assert.Equal(["never"], ann.Notification!.Notify!);
        Assert.Equal(("hdrs", "x+y", "rfc822;A@b"), (ann.Notification.Return, ann.Notification.EnvelopeIdentifier, ann.Notification.OriginalRecipient));
        Assert.Null(server.Envelopes[1].Notification!.Notify);
        Assert.Equal(EnvelopeFlags.None, ann.Flags);
        Assert.DoesNotContain("for <", await server.ContentAsync(ann.Id.Message), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Mail_by_the_local_socket_is_authenticated_and_internal()
    {
        await using SmtpServerFixture server = new(SmtpServerFixture.Profile with { IsLocalSocket = true });
        Socket client = await server.ConnectUnixAsync();
        await SmtpServerFixture.SendAsync(client, "EHLO localhost\r\nMAIL FROM:<joe>\r\nRCPT TO:<ann>\r\nDATA\r\nTo: ann\r\n\r\nhello\r\n.\r\nQUIT\r\n");
        Assert.Contains("Hello localhost [local]", await server.ReadToEndAsync(client), StringComparison.Ordinal);
        Envelope envelope = Assert.Single(server.Envelopes);
        Assert.Equal(EnvelopeFlags.Internal | EnvelopeFlags.Authenticated, envelope.Flags);
        Assert.Equal("local", envelope.Client);
        string content = await server.ContentAsync(envelope.Id.Message);
        Assert.StartsWith("Received: from localhost (mx.example.org [local])\r\n\tby mx.example.org (Posthouse) with ESMTPA id ", content, StringComparison.Ordinal);
        Assert.Contains("\r\nTo: ann@mx.example.org\r\nDate: ", content, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_loop_is_told_by_more_than_a_hundred_received_fields()
    {
        await using SmtpServerFixture server = new();
        Socket client = await server.ConnectAsync("192.0.2.7");
        string hop = "Received: from a by b\r\n\tfor c; date\r\n";
        await SmtpServerFixture.SendAsync(client, Greeting + "DATA\r\n" + string.Concat(Enumerable.Repeat(hop, 100)) + "\r\n.\r\n"
            + Greeting + "DATA\r\n" + string.Concat(Enumerable.Repeat(hop, 101)) + "\r\n.\r\nQUIT\r\n");
        string replies = await server.ReadToEndAsync(client);
        Assert.Contains("554 5.4.6 Routing loop detected: Loop detected\r\n221", replies, StringComparison.Ordinal);
        Assert.Single(server.Envelopes);
    }

    [Fact]
    public async Task A_header_without_end_is_refused_before_it_fills_the_memory()
    {
        await using SmtpServerFixture server = new();
        Socket client = await server.ConnectAsync("192.0.2.7");
        Task<string> replies = server.ReadToEndAsync(client);
        await SmtpServerFixture.SendAsync(client, Greeting + "DATA\r\n");
        byte[] fields = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat("X-Field: " + new string('x', 80) + "\r\n", 1000)));
        for (int i = 0; i < 13; i++)
            await client.SendAsync(fields);
        await SmtpServerFixture.SendAsync(client, "\r\n.\r\nQUIT\r\n");
        Assert.Contains("552 5.3.4 Message header too large\r\n221", await replies, StringComparison.Ordinal);
        Assert.Empty(server.Envelopes);
    }

    [Fact]
    public async Task A_large_message_in_odd_pieces_arrives_whole()
    {
        await using SmtpServerFixture server = new();
        Socket client = await server.ConnectAsync("192.0.2.7");
        Task<string> replies = server.ReadToEndAsync(client);
        StringBuilder body = new("Subject: x\r\n\r\n");
        for (int i = 0; i < 20_000; i++)
            body.Append(i % 7 == 0 ? "." : "").Append("line ").Append(i).Append("\r\n");
        byte[] sent = Encoding.ASCII.GetBytes(Greeting + "DATA\r\n" + body.ToString().Replace("\r\n.", "\r\n..", StringComparison.Ordinal) + ".\r\nQUIT\r\n");
        for (int at = 0, step = 1; at < sent.Length; at += step, step = Math.Min(step * 2 + 1, 9_999))
            await client.SendAsync(sent.AsMemory(at, Math.Min(step, sent.Length - at)));
        Assert.Contains("221", await replies, StringComparison.Ordinal);
        string content = await server.ContentAsync(server.Envelopes[0].Id.Message);
        Assert.EndsWith(body.ToString(), content, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_line_without_end_is_cut_off()
    {
        await using SmtpServerFixture server = new();
        Socket client = await server.ConnectAsync();
        await SmtpServerFixture.SendAsync(client, new string('a', 2048));
        Assert.EndsWith("500 5.5.2 Syntax error: Command line too long\r\n", await server.ReadToEndAsync(client), StringComparison.Ordinal);
        Assert.Contains(server.Log, line => line.Contains("bad-input", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_proxy_says_who_the_client_is()
    {
        await using SmtpServerFixture server = new(SmtpServerFixture.Profile with { ProxyV2 = true });
        Socket client = await server.ConnectAsync();
        byte[] header = [.. "\r\n\r\n\0\r\nQUIT\n"u8, 0x21, 0x11, 0, 12, 192, 0, 2, 9, 192, 0, 2, 2, 0x10, 0, 0, 25];
        await client.SendAsync(header.AsMemory(0, 20));
        await client.SendAsync((byte[])[.. header.AsSpan(20), .. "HELO a\r\nQUIT\r\n"u8]);
        Assert.Contains("Hello a [192.0.2.9]", await server.ReadToEndAsync(client), StringComparison.Ordinal);

        Socket direct = await server.ConnectAsync();
        await SmtpServerFixture.SendAsync(direct, "EHLO a\r\n");
        Assert.Equal("", await server.ReadToEndAsync(direct));
    }

    [Theory]
    [InlineData("AUTH PLAIN {0}\r\n", "235 2.7.0 Authentication succeeded", "\0joe\0secret")]
    [InlineData("auth plain\r\n{0}\r\n", "235 2.7.0 Authentication succeeded", "\0joe\0secret")]
    [InlineData("AUTH LOGIN\r\n{0}\r\n{1}\r\n", "235 2.7.0 Authentication succeeded", "joe", "secret")]
    [InlineData("AUTH LOGIN {0}\r\n{1}\r\n", "235 2.7.0 Authentication succeeded", "joe", "secret")]
    [InlineData("AUTH PLAIN {0}\r\n", "535 5.7.8 Authentication failed", "\0joe\0wrong")]
    [InlineData("AUTH PLAIN {0}\r\n", "535 5.7.8 Authentication failed", "\0ann\0secret")]
    [InlineData("AUTH PLAIN {0}\r\n", "454 4.7.0 Temporary authentication failure", "\0broken\0secret")]
    [InlineData("AUTH PLAIN\r\n*\r\n", "501 5.7.0 Authentication cancelled")]
    [InlineData("AUTH PLAIN %%%\r\n", "501 5.5.2 Syntax error: Malformed authentication response")]
    [InlineData("AUTH PLAIN {0}\r\n", "501 5.5.2 Syntax error: Malformed authentication response", "\0joe\nroot\0secret")]
    [InlineData("AUTH CRAM-MD5\r\n", "504 5.5.4 Authentication mechanism not supported")]
    public async Task Authentication_under_tls(string commands, string outcome, params string[] secrets)
    {
        await using TlsServerFixture tls = new();
        await using SmtpServerFixture server = new(tls.Profile);
        await using SslStream client = await tls.StartTlsAsync(server);
        await client.WriteAsync(Encoding.ASCII.GetBytes("EHLO a\r\n" + string.Format(null, commands, [.. secrets.Select(secret => Convert.ToBase64String(Encoding.UTF8.GetBytes(secret)))])
            + "QUIT\r\n"), s_cancellation);
        string replies = await new StreamReader(client).ReadToEndAsync(s_cancellation);
        Assert.Contains("250-AUTH PLAIN LOGIN\r\n", replies, StringComparison.Ordinal);
        Assert.DoesNotContain("STARTTLS", replies, StringComparison.Ordinal);
        Assert.EndsWith(outcome + "\r\n221 2.0.0 Bye\r\n", replies, StringComparison.Ordinal);
        foreach (string secret in secrets)
            Assert.DoesNotContain(server.Log, line => line.Contains(Convert.ToBase64String(Encoding.UTF8.GetBytes(secret)), StringComparison.Ordinal) || line.Contains("secret", StringComparison.Ordinal));
    }

    [Fact]
    public async Task An_authenticated_user_sends_only_as_himself_and_from_is_made_to_match()
    {
        await using TlsServerFixture tls = new();
        await using SmtpServerFixture server = new(tls.Profile with { Masquerade = true, ReceivedAuth = true });
        await using SslStream client = await tls.StartTlsAsync(server, "192.0.2.7");
        string plain = Convert.ToBase64String("\0joe\0secret"u8);
        await client.WriteAsync(Encoding.ASCII.GetBytes($"EHLO a\r\nAUTH PLAIN {plain}\r\nAUTH PLAIN {plain}\r\nEHLO b\r\nMAIL FROM:<ann@example.org>\r\nMAIL FROM:<>\r\nMAIL FROM:<Joe@example.org>\r\n"
            + "RCPT TO:<bob@example.org>\r\nDATA\r\nFrom: Ann <ann@example.org>\r\n\r\nx\r\n.\r\nQUIT\r\n"), s_cancellation);
        string replies = await new StreamReader(client).ReadToEndAsync(s_cancellation);
        Assert.Contains("235 2.7.0 Authentication succeeded\r\n503 5.5.1 Invalid command: Already authenticated\r\n", replies, StringComparison.Ordinal);
        Assert.Contains("530 5.7.1 Sender rejected\r\n530 5.7.1 Sender rejected\r\n250 2.0.0 Ok\r\n", replies, StringComparison.Ordinal);
        Envelope envelope = Assert.Single(server.Envelopes);
        Assert.Equal(("joe", EnvelopeFlags.Authenticated), (envelope.Auth, envelope.Flags));
        string content = await server.ContentAsync(envelope.Id.Message);
        Assert.Matches(@"with ESMTPSA id [0-9a-f]{8} \(TLSv1\.[23]:\S+:\d+:NO\) auth=yes user=joe\r\n\tfor <bob@example\.org>;", content);
        Assert.Contains("\r\nFrom: Ann <Joe@example.org>\r\nDate:", content, StringComparison.Ordinal);
        Assert.Contains(server.Log, line => line.EndsWith("smtp authentication user=joe result=ok", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Starttls_is_answered_by_421_when_too_many_handshakes_wait()
    {
        await using TlsServerFixture tls = new(threads: 0);
        await using SmtpServerFixture server = new(tls.Profile);
        Socket client = await server.ConnectAsync();
        await server.ReadRepliesAsync(client, 1);
        tls.Crowd();
        await SmtpServerFixture.SendAsync(client, "EHLO a\r\nNOOP\r\nSTARTTLS\r\n");
        Assert.EndsWith("250 2.0.0 Ok\r\n421 4.3.2 Too many TLS handshakes, try again later\r\n", await server.ReadToEndAsync(client), StringComparison.Ordinal);
        await server.Session;
        Assert.Contains(server.Log, line => line.Contains("Too many TLS handshakes", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Cve_2011_0411_what_was_sent_in_clear_behind_starttls_is_forgotten()
    {
        await using TlsServerFixture tls = new();
        await using SmtpServerFixture server = new(tls.Profile);
        await using SslStream client = await tls.StartTlsAsync(server, injected: "NOOP injected\r\nMAIL FROM:<evil@example.com>\r\n");
        await client.WriteAsync("MAIL FROM:<a@b>\r\nQUIT\r\n"u8.ToArray(), s_cancellation);
        Assert.Equal("503 5.5.1 Invalid command: Send HELO or EHLO first\r\n221 2.0.0 Bye\r\n", await new StreamReader(client).ReadToEndAsync(s_cancellation));
        await server.Session;
        Assert.Equal(0, server.Counters["smtp.tls"].Value);
        Assert.Contains(server.Log, line => line.Contains("smtp tls ciphers=TLSv1.", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Cve_2023_29323_a_scoped_address_is_only_an_address()
    {
        await using SmtpServerFixture server = new();
        Socket client = await server.ConnectAsync("fe80::1%7");
        await SmtpServerFixture.SendAsync(client, Greeting + "DATA\r\n\r\n.\r\nQUIT\r\n");
        Assert.Contains("[IPv6:fe80::1]", await server.ReadToEndAsync(client), StringComparison.Ordinal);
        Assert.Equal("fe80::1", Assert.Single(server.Envelopes).Client);
    }

    [Fact]
    public async Task Cve_2025_62875_garbage_on_the_local_socket_hurts_nobody_else()
    {
        await using SmtpServerFixture server = new(SmtpServerFixture.Profile with { IsLocalSocket = true });
        Socket other = await server.ConnectUnixAsync();
        for (int i = 0; i < 20; i++)
        {
            Socket client = await server.ConnectUnixAsync();
            byte[] garbage = new byte[5000];
            new Random(i).NextBytes(garbage);
            await client.SendAsync(garbage);
            client.Shutdown(SocketShutdown.Send);
            await ReadWhatComesAsync(server, client);
            await server.Session.WaitAsync(TimeSpan.FromSeconds(60), s_cancellation);
        }
        await server.ReadRepliesAsync(other, 1);
        Assert.StartsWith("250", await server.AskAsync(other, "NOOP\r\n"), StringComparison.Ordinal);
        Assert.DoesNotContain(server.Log, line => line.Contains("session failed", StringComparison.Ordinal));
    }

    // A server that closes with input unread resets the connection, as it should.
    private static async Task ReadWhatComesAsync(SmtpServerFixture server, Socket client)
    {
        try
        {
            await server.ReadToEndAsync(client);
        }
        catch (SocketException error)
        {
            Assert.Equal(SocketError.ConnectionReset, error.SocketErrorCode);
        }
    }
}

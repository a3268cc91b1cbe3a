using System.Net.Security;
using System.Net.Sockets;
using System.Text;
using System.Text.RegularExpressions;
using Posthouse.Plugs;
using Posthouse.Server.Configuration;
using Posthouse.Server.Queueing;
using Posthouse.Server.Transport;
using Posthouse.Tests.Queueing;

namespace Posthouse.Tests.Receiving;

public partial class SmtpSessionFilterTests
{
    private const string Mail = "EHLO a.example\nMAIL FROM:<joe@example.com>\nRCPT TO:<ann@example.org>\n";

    private static readonly CancellationToken s_cancellation = TestContext.Current.CancellationToken;
    private static readonly string[] s_hello = ["link-connect", "connect", "link-greeting", "ehlo", "link-identify", "quit", "filter-response"];
    private static readonly string[] s_protocol = ["protocol-client", "protocol-server"];
    private static readonly string[] s_lines = ["data-line"];

    [Fact]
    public async Task One_message()
    {
        await using FilteredServerFixture server = await FilteredServerFixture.StartAsync();
        await server.SayAsync("EHLO a.example\nMAIL FROM:<joe@example.com> BODY=8BITMIME\nRCPT TO:<ann@example.org>\nDATA\nSubject: x\n\n..dot\n.\nQUIT\n");
        Assert.Equal("""
            link-connect|<unknown>|fail|192.0.2.1:40000|127.0.0.1:25
            ? connect|<unknown>|192.0.2.1
            filter-response|connected|proceed
            protocol-server|220 mx.example.org ESMTP Posthouse
            link-greeting|mx.example.org
            protocol-client|EHLO a.example
            ? ehlo|a.example
            filter-response|ehlo|proceed
            link-identify|EHLO|a.example
            protocol-server|250-mx.example.org Hello a.example [192.0.2.1], pleased to meet you
            protocol-server|250-8BITMIME
            protocol-server|250-ENHANCEDSTATUSCODES
            protocol-server|250-SIZE 36700160
            protocol-server|250-DSN
            protocol-server|250-PIPELINING
            protocol-server|250-SMTPUTF8
            protocol-server|250-CHUNKING
            protocol-server|250 HELP
            protocol-client|MAIL FROM:<joe@example.com> BODY=8BITMIME
            ? mail-from|joe@example.com
            filter-response|mail-from|proceed
            protocol-server|250 2.0.0 Ok
            tx-begin|M1
            tx-mail|M1|ok|joe@example.com
            protocol-client|RCPT TO:<ann@example.org>
            ? rcpt-to|ann@example.org
            filter-response|rcpt-to|proceed
            tx-envelope|M1|M1-envelope
            protocol-server|250 2.1.5 Destination address valid: Recipient ok
            tx-rcpt|M1|ok|ann@example.org
            protocol-client|DATA
            ? data
            filter-response|data|proceed
            protocol-server|354 Enter mail, end with "." on a line by itself
            tx-data|M1|ok
            ? data-line|Received: from a.example (<unknown> [192.0.2.1])
            ? data-line|	by mx.example.org (Posthouse) with ESMTP id M1
            ? data-line|	for <ann@example.org>;
            ? data-line|	Fri, 2 Jan 2026 03:04:05 +0000 (UTC)
            ? data-line|Subject: x
            ? data-line
            ? data-line|..dot
            ? data-line|.
            protocol-client|.
            ? commit
            filter-response|commit|proceed
            protocol-server|250 2.0.0 M1 Message accepted for delivery
            tx-commit|M1|189
            tx-reset|M1
            protocol-client|QUIT
            ? quit
            filter-response|quit|proceed
            protocol-server|221 2.0.0 Bye
            link-disconnect
            """, await server.HeardAsync());
        Assert.Equal("ann@example.org", Assert.Single(server.Server.Envelopes).Recipient);
    }

    [Fact]
    public async Task Two_messages_in_one_session()
    {
        await using FilteredServerFixture server = await FilteredServerFixture.StartAsync();
        server.Ignored = [.. s_hello, .. s_protocol, .. s_lines];
        string message = "MAIL FROM:<>\nRCPT TO:<ann@example.org>\nRCPT TO:<bob@example.org>\nDATA\nSubject: x\n.\n";
        await server.SayAsync("EHLO a.example\n" + message + message + "QUIT\n");
        Assert.Equal("""
            ? mail-from
            tx-begin|M1
            tx-mail|M1|ok|
            ? rcpt-to|ann@example.org
            tx-envelope|M1|M1-envelope
            tx-rcpt|M1|ok|ann@example.org
            ? rcpt-to|bob@example.org
            tx-envelope|M1|M1-envelope
            tx-rcpt|M1|ok|bob@example.org
            ? data
            tx-data|M1|ok
            ? commit
            tx-commit|M1|159
            tx-reset|M1
            ? mail-from
            tx-begin|M2
            tx-mail|M2|ok|
            ? rcpt-to|ann@example.org
            tx-envelope|M2|M2-envelope
            tx-rcpt|M2|ok|ann@example.org
            ? rcpt-to|bob@example.org
            tx-envelope|M2|M2-envelope
            tx-rcpt|M2|ok|bob@example.org
            ? data
            tx-data|M2|ok
            ? commit
            tx-commit|M2|159
            tx-reset|M2
            link-disconnect
            """, await server.HeardAsync());
        Assert.Equal(4, server.Server.Envelopes.Select(envelope => envelope.Id).Distinct().Count());
    }

    [Fact]
    public async Task Rset_and_ehlo_end_a_transaction()
    {
        await using FilteredServerFixture server = await FilteredServerFixture.StartAsync();
        server.Ignored = ["filter-response"];
        await server.SayAsync("HELO a.example\nMAIL FROM:<joe@example.com>\nRSET\nMAIL FROM:<joe@example.com>\nHELO b.example\nNOOP x\n");
        Assert.Equal("""
            link-connect|<unknown>|fail|192.0.2.1:40000|127.0.0.1:25
            ? connect|<unknown>|192.0.2.1
            protocol-server|220 mx.example.org ESMTP Posthouse
            link-greeting|mx.example.org
            protocol-client|HELO a.example
            ? helo|a.example
            link-identify|HELO|a.example
            protocol-server|250 mx.example.org Hello a.example [192.0.2.1], pleased to meet you
            protocol-client|MAIL FROM:<joe@example.com>
            ? mail-from|joe@example.com
            protocol-server|250 2.0.0 Ok
            tx-begin|M1
            tx-mail|M1|ok|joe@example.com
            protocol-client|RSET
            ? rset
            tx-rollback|M1
            tx-reset|M1
            protocol-server|250 2.0.0 Reset state
            protocol-client|MAIL FROM:<joe@example.com>
            ? mail-from|joe@example.com
            protocol-server|250 2.0.0 Ok
            tx-begin|M2
            tx-mail|M2|ok|joe@example.com
            protocol-client|HELO b.example
            ? helo|b.example
            tx-rollback|M2
            tx-reset|M2
            link-identify|HELO|b.example
            protocol-server|250 mx.example.org Hello b.example [192.0.2.1], pleased to meet you
            protocol-client|NOOP x
            ? noop
            protocol-server|250 2.0.0 Ok
            link-disconnect
            """, await server.HeardAsync());
    }

    [Fact]
    public async Task Each_reply_to_rcpt_is_told()
    {
        await using FilteredServerFixture server = await FilteredServerFixture.StartAsync();
        server.Ignored = [.. s_hello, .. s_protocol];
        server.Decide = static (phase, parameters) => parameters == "eve@example.org" ? "reject|550 not her" : null;
        string said = await server.SayAsync("EHLO a.example\nRCPT TO:<early@example.org>\nMAIL FROM:<joe@example.com>\nMAIL FROM:<again@example.com>\n"
            + "RCPT TO:<nobody@example.org>\nRCPT TO:<later@example.org>\nRCPT TO:<eve@example.org>\nRCPT TO:<what is this>\nRCPT TO:<@a.example:ann@example.org>\nDATA\n.\nQUIT\n");
        Assert.Contains("550 not her\r\n553 5.1.3", said, StringComparison.Ordinal);
        Assert.Equal("""
            ? mail-from|joe@example.com
            tx-begin|M1
            tx-mail|M1|ok|joe@example.com
            tx-mail|M1|permfail|again@example.com
            ? rcpt-to|nobody@example.org
            tx-rcpt|M1|permfail|nobody@example.org
            ? rcpt-to|later@example.org
            tx-rcpt|M1|tempfail|later@example.org
            ? rcpt-to|eve@example.org
            tx-rcpt|M1|permfail|eve@example.org
            tx-rcpt|M1|permfail|what is this
            ? rcpt-to|ann@example.org
            tx-envelope|M1|M1-envelope
            tx-rcpt|M1|ok|ann@example.org
            ? data
            tx-data|M1|ok
            ? data-line|Received: from a.example (<unknown> [192.0.2.1])
            ? data-line|	by mx.example.org (Posthouse) with ESMTP id M1
            ? data-line|	for <ann@example.org>;
            ? data-line|	Fri, 2 Jan 2026 03:04:05 +0000 (UTC)
            ? data-line
            ? data-line|.
            ? commit
            tx-commit|M1|171
            tx-reset|M1
            link-disconnect
            """, await server.HeardAsync());
    }

    [Fact]
    public async Task A_message_in_chunks()
    {
        await using FilteredServerFixture server = await FilteredServerFixture.StartAsync();
        server.Ignored = s_hello;
        await server.SayAsync(Mail + "BDAT 12\nSubject: x\nBDAT 10\n\n.dot\n\nBDAT 3 LAST\nendQUIT\n");
        Assert.Equal("""
            protocol-server|220 mx.example.org ESMTP Posthouse
            protocol-client|EHLO a.example
            protocol-server|250-mx.example.org Hello a.example [192.0.2.1], pleased to meet you
            protocol-server|250-8BITMIME
            protocol-server|250-ENHANCEDSTATUSCODES
            protocol-server|250-SIZE 36700160
            protocol-server|250-DSN
            protocol-server|250-PIPELINING
            protocol-server|250-SMTPUTF8
            protocol-server|250-CHUNKING
            protocol-server|250 HELP
            protocol-client|MAIL FROM:<joe@example.com>
            ? mail-from|joe@example.com
            protocol-server|250 2.0.0 Ok
            tx-begin|M1
            tx-mail|M1|ok|joe@example.com
            protocol-client|RCPT TO:<ann@example.org>
            ? rcpt-to|ann@example.org
            tx-envelope|M1|M1-envelope
            protocol-server|250 2.1.5 Destination address valid: Recipient ok
            tx-rcpt|M1|ok|ann@example.org
            protocol-client|BDAT 12
            ? data
            tx-data|M1|ok
            protocol-server|250 2.0.0 12 octets received
            protocol-client|BDAT 10
            ? data-line|Received: from a.example (<unknown> [192.0.2.1])
            ? data-line|	by mx.example.org (Posthouse) with ESMTP id M1
            ? data-line|	for <ann@example.org>;
            ? data-line|	Fri, 2 Jan 2026 03:04:05 +0000 (UTC)
            ? data-line|Subject: x
            ? data-line
            ? data-line|..dot
            ? data-line
            protocol-server|250 2.0.0 10 octets received
            protocol-client|BDAT 3 LAST
            ? data-line|end
            ? data-line|.
            ? commit
            protocol-server|250 2.0.0 M1 Message accepted for delivery
            tx-commit|M1|196
            tx-reset|M1
            protocol-client|QUIT
            protocol-server|221 2.0.0 Bye
            link-disconnect
            """, await server.HeardAsync());
        Assert.EndsWith("\r\n\r\n.dot\r\n\r\nend\r\n", await server.Server.ContentAsync(Assert.Single(server.Server.Envelopes).Id.Message), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_first_chunk_that_is_refused_is_read_and_forgotten_and_so_are_all_until_rset()
    {
        await using FilteredServerFixture server = await FilteredServerFixture.StartAsync();
        server.Ignored = [.. s_hello, .. s_protocol];
        bool refuses = true;
        server.Decide = (phase, _) => phase == "data" && refuses ? "reject|550 no content" : null;
        string said = await server.SayAsync(Mail + "BDAT 6\nNOOP\nBDAT 6\nNOOP\nRSET\nBDAT 6 LAST\nQUIT\nQUIT\n");
        Assert.EndsWith("550 no content\r\n503 5.5.1 Invalid command: The message has failed, send RSET\r\n250 2.0.0 Reset state\r\n503 5.5.1 Invalid command: Send MAIL first\r\n221 2.0.0 Bye\r\n", said, StringComparison.Ordinal);
        Assert.Equal("""
            ? mail-from|joe@example.com
            tx-begin|M1
            tx-mail|M1|ok|joe@example.com
            ? rcpt-to|ann@example.org
            tx-envelope|M1|M1-envelope
            tx-rcpt|M1|ok|ann@example.org
            ? data
            tx-data|M1|permfail
            ? rset
            tx-rollback|M1
            tx-reset|M1
            link-disconnect
            """, await server.HeardAsync());
        refuses = false;
    }

    [Fact]
    public async Task A_client_that_goes_away_amid_its_message()
    {
        await using FilteredServerFixture server = await FilteredServerFixture.StartAsync();
        server.Ignored = [.. s_hello, .. s_lines];
        await server.SayAsync(Mail + "DATA\nSubject: x\n\nbod");
        Assert.Equal("""
            protocol-server|220 mx.example.org ESMTP Posthouse
            protocol-client|EHLO a.example
            protocol-server|250-mx.example.org Hello a.example [192.0.2.1], pleased to meet you
            protocol-server|250-8BITMIME
            protocol-server|250-ENHANCEDSTATUSCODES
            protocol-server|250-SIZE 36700160
            protocol-server|250-DSN
            protocol-server|250-PIPELINING
            protocol-server|250-SMTPUTF8
            protocol-server|250-CHUNKING
            protocol-server|250 HELP
            protocol-client|MAIL FROM:<joe@example.com>
            ? mail-from|joe@example.com
            protocol-server|250 2.0.0 Ok
            tx-begin|M1
            tx-mail|M1|ok|joe@example.com
            protocol-client|RCPT TO:<ann@example.org>
            ? rcpt-to|ann@example.org
            tx-envelope|M1|M1-envelope
            protocol-server|250 2.1.5 Destination address valid: Recipient ok
            tx-rcpt|M1|ok|ann@example.org
            protocol-client|DATA
            ? data
            protocol-server|354 Enter mail, end with "." on a line by itself
            tx-data|M1|ok
            tx-rollback|M1
            tx-reset|M1
            link-disconnect
            """, await server.HeardAsync());
        await server.Server.Session;
        Assert.Empty(server.Server.Envelopes);
    }

    [Fact]
    public async Task Rset_amid_chunks()
    {
        await using FilteredServerFixture server = await FilteredServerFixture.StartAsync();
        server.Ignored = [.. s_hello, .. s_protocol];
        string said = await server.SayAsync(Mail + "BDAT 14\nSubject: x\n\nRSET\nMAIL FROM:<joe@example.com>\nRCPT TO:<ann@example.org>\nBDAT 12 LAST\nSubject: y\nQUIT\n");
        Assert.Contains(" Message accepted for delivery\r\n221", said, StringComparison.Ordinal);
        string heard = await server.HeardAsync();
        Assert.Contains("? rset\ntx-rollback|M1\ntx-reset|M1\n? mail-from|joe@example.com\ntx-begin|M2\n", heard, StringComparison.Ordinal);
        Assert.EndsWith("? data-line|Subject: y\n? data-line\n? data-line|.\n? commit\ntx-commit|M2|183\ntx-reset|M2\nlink-disconnect", heard, StringComparison.Ordinal);
        Assert.Equal(183, Assert.Single(server.Server.Envelopes).Size);
    }

    [Fact]
    public async Task A_client_that_is_silent()
    {
        await using FilteredServerFixture server = await FilteredServerFixture.StartAsync();
        server.Ignored = s_hello;
        Socket client = await server.Listen().ConnectAsync("192.0.2.1");
        await server.Server.ReadRepliesAsync(client, 1);
        await server.Server.AskAsync(client, "HELO a\r\nMAIL FROM:<>\r\n", 2);
        await server.Server.SettleAsync();
        server.Server.Time.Advance(TimeSpan.FromMinutes(6));
        Assert.Equal("421 4.4.2 Timeout\r\n", await server.Server.ReadToEndAsync(client));
        Assert.Equal("""
            protocol-server|220 mx.example.org ESMTP Posthouse
            protocol-client|HELO a
            ? helo|a
            protocol-server|250 mx.example.org Hello a [192.0.2.1], pleased to meet you
            protocol-client|MAIL FROM:<>
            ? mail-from
            protocol-server|250 2.0.0 Ok
            tx-begin|M1
            tx-mail|M1|ok|
            protocol-server|421 4.4.2 Timeout
            timeout
            tx-rollback|M1
            tx-reset|M1
            link-disconnect
            """, await server.HeardAsync());
    }

    [Fact]
    public async Task Starttls_and_authentication()
    {
        await using TlsServerFixture tls = new();
        await using FilteredServerFixture server = await FilteredServerFixture.StartAsync(tls.Profile with { Senders = null });
        await using SslStream client = await tls.StartTlsAsync(server.Listen(), "192.0.2.1");
        string wrong = Convert.ToBase64String("\0joe\0wrong"u8), plain = Convert.ToBase64String("\0joe\0secret"u8);
        await client.WriteAsync(Encoding.ASCII.GetBytes($"EHLO a\r\nAUTH PLAIN {wrong}\r\nauth  plain  {plain}\r\nQUIT\r\n"), s_cancellation);
        await new StreamReader(client).ReadToEndAsync(s_cancellation);
        string heard = Ciphers().Replace(await server.HeardAsync(), "$1(ciphers)").Replace(wrong, "(wrong)", StringComparison.Ordinal).Replace(plain, "(plain)", StringComparison.Ordinal);
        Assert.Equal("""
            link-connect|<unknown>|fail|192.0.2.1:40000|127.0.0.1:25
            ? connect|<unknown>|192.0.2.1
            filter-response|connected|proceed
            protocol-server|220 mx.example.org ESMTP Posthouse
            link-greeting|mx.example.org
            protocol-client|STARTTLS
            ? starttls
            filter-response|tls|proceed
            protocol-server|220 2.0.0 Ready to start TLS
            link-tls|(ciphers)
            protocol-client|EHLO a
            ? ehlo|a
            filter-response|ehlo|proceed
            link-identify|EHLO|a
            protocol-server|250-mx.example.org Hello a [192.0.2.1], pleased to meet you
            protocol-server|250-8BITMIME
            protocol-server|250-ENHANCEDSTATUSCODES
            protocol-server|250-SIZE 36700160
            protocol-server|250-DSN
            protocol-server|250-PIPELINING
            protocol-server|250-SMTPUTF8
            protocol-server|250-CHUNKING
            protocol-server|250-AUTH PLAIN LOGIN
            protocol-server|250 HELP
            protocol-client|AUTH PLAIN ********
            ? auth|PLAIN (wrong)
            filter-response|auth|proceed
            link-auth|fail|joe
            protocol-server|535 5.7.8 Authentication failed
            protocol-client|auth  plain ********
            ? auth|plain  (plain)
            filter-response|auth|proceed
            link-auth|pass|joe
            protocol-server|235 2.7.0 Authentication succeeded
            protocol-client|QUIT
            ? quit
            filter-response|quit|proceed
            protocol-server|221 2.0.0 Bye
            link-disconnect
            """, heard);
    }

    [Fact]
    public async Task No_secret_is_told_but_to_a_filter_that_is_asked_about_auth()
    {
        await using TlsServerFixture tls = new();
        await using FilteredServerFixture server = await FilteredServerFixture.StartAsync(tls.Profile);
        server.Ignored = ["auth"];
        await using SslStream client = await tls.StartTlsAsync(server.Listen(), "192.0.2.1");
        string joe = Convert.ToBase64String("joe"u8), secret = Convert.ToBase64String("secret"u8), plain = Convert.ToBase64String("\0joe\0secret"u8);
        await client.WriteAsync(Encoding.ASCII.GetBytes(
            $"EHLO a\r\nAUTH LOGIN {joe}\r\n{secret}x\r\nauth plain {plain}\nAUTH\tPLAIN\t{plain}\r\nAUTH CRAM-MD5 {plain}\r\nAUTH PLAIN {plain}\0\r\n"
            + $"AUTH PLAIN\r\n{plain}\n*\r\nAUTH LOGIN\r\n{joe}\r\n{secret}\r\nAUTH PLAIN {plain}\r\nQUIT\r\n"), s_cancellation);
        Assert.Contains("235 2.7.0", await new StreamReader(client).ReadToEndAsync(s_cancellation), StringComparison.Ordinal);
        string heard = await server.HeardAsync();
        await server.Server.Session;
        foreach (string text in (string[])[joe, secret, plain])
        {
            Assert.DoesNotContain(text, heard, StringComparison.Ordinal);
            Assert.DoesNotContain(server.Server.Log, line => line.Contains(text, StringComparison.Ordinal));
        }
        Assert.Contains("\nprotocol-client|AUTH LOGIN ********\n", heard, StringComparison.Ordinal);
        Assert.Contains("\nprotocol-client|********\n", heard, StringComparison.Ordinal);
        Assert.Contains("\nlink-auth|pass|joe\nprotocol-server|235", heard, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Implicit_tls_is_told_between_the_connection_and_the_banner()
    {
        await using TlsServerFixture tls = new();
        await using FilteredServerFixture server = await FilteredServerFixture.StartAsync(tls.Profile with { Tls = ListenerTls.Implicit });
        Socket socket = await server.Listen().ConnectAsync("192.0.2.1");
        await using SslStream client = new(new NetworkStream(socket), false, (_, _, _, _) => true);
        await client.AuthenticateAsClientAsync("mx.example.org");
        await client.WriteAsync("QUIT\r\n"u8.ToArray(), s_cancellation);
        await new StreamReader(client).ReadToEndAsync(s_cancellation);
        Assert.Equal("""
            link-connect|<unknown>|fail|192.0.2.1:40000|127.0.0.1:25
            ? connect|<unknown>|192.0.2.1
            filter-response|connected|proceed
            link-tls|(ciphers)
            protocol-server|220 mx.example.org ESMTP Posthouse
            link-greeting|mx.example.org
            protocol-client|QUIT
            ? quit
            filter-response|quit|proceed
            protocol-server|221 2.0.0 Bye
            link-disconnect
            """, Ciphers().Replace(await server.HeardAsync(), "$1(ciphers)"));
    }

    [Fact]
    public async Task A_program_of_this_machine_comes_from_the_socket()
    {
        await using FilteredServerFixture server = await FilteredServerFixture.StartAsync(SmtpServerFixture.Profile with { IsLocalSocket = true, LocalPath = "/run/smtp.sock" });
        Socket client = await server.Listen().ConnectUnixAsync();
        await server.Server.ReadRepliesAsync(client, 1);
        client.Shutdown(SocketShutdown.Send);
        Assert.StartsWith("link-connect|mx.example.org|pass|unix:/run/smtp.sock|unix:/run/smtp.sock\n? connect|mx.example.org|local\n", await server.HeardAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Filters_hear_nothing_of_sessions_that_are_turned_away()
    {
        await using FilteredServerFixture server = await FilteredServerFixture.StartAsync();
        Assert.StartsWith("421 4.3.2", await server.Server.ReadToEndAsync(await server.Server.ConnectAsync("192.0.2.1", SessionAdmission.ServerFull)), StringComparison.Ordinal);
        await server.SayAsync("");
        Assert.Equal("""
            link-connect|<unknown>|fail|192.0.2.1:40000|127.0.0.1:25
            ? connect|<unknown>|192.0.2.1
            filter-response|connected|proceed
            protocol-server|220 mx.example.org ESMTP Posthouse
            link-greeting|mx.example.org
            link-disconnect
            """, await server.HeardAsync());
    }

    [Fact]
    public async Task A_session_refused_at_connect_is_left_with_quit()
    {
        await using FilteredServerFixture server = await FilteredServerFixture.StartAsync();
        server.Decide = static (phase, _) => phase == "connect" ? "reject|554 go away" : null;
        string said = await server.SayAsync("EHLO a\nMAIL FROM:<>\nBDAT 6\nQUIT\nNOOP\nQUIT\n");
        const string Refused = "503 5.5.1 Invalid command: The session was refused, send QUIT\r\n";
        Assert.Equal($"554 go away\r\n{Refused}{Refused}503 5.5.1 Invalid command: Send HELO or EHLO first\r\n{Refused}221 2.0.0 Bye\r\n", said);
        string heard = await server.HeardAsync();
        Assert.StartsWith("link-connect|<unknown>|fail|192.0.2.1:40000|127.0.0.1:25\n? connect|<unknown>|192.0.2.1\nfilter-response|connected|reject|554 go away\nprotocol-server|554 go away\nprotocol-client|EHLO a\nprotocol-server|503", heard, StringComparison.Ordinal);
        Assert.EndsWith("protocol-client|QUIT\n? quit\nfilter-response|quit|proceed\nprotocol-server|221 2.0.0 Bye\nlink-disconnect", heard, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("connect", "", "421 no")]
    [InlineData("ehlo", "220 ", "421 no")]
    [InlineData("rcpt-to", "250 2.0.0 Ok\r\n", "554 no")]
    [InlineData("data", "Recipient ok\r\n", "554 no")]
    [InlineData("commit", "354 ", "554 no")]
    [InlineData("quit", "", "421 no")]
    public async Task Disconnect_closes_behind_its_reply(string phase, string before, string reply)
    {
        await using FilteredServerFixture server = await FilteredServerFixture.StartAsync();
        server.Decide = (asked, _) => asked == phase ? $"disconnect|{reply}" : null;
        string said = await server.SayAsync(phase == "connect" ? "" : Mail + "DATA\nSubject: x\n.\nQUIT\nNOOP\n");
        Assert.Contains(before, said, StringComparison.Ordinal);
        Assert.EndsWith($"{reply}\r\n", said, StringComparison.Ordinal);
        Assert.EndsWith("link-disconnect", await server.HeardAsync(), StringComparison.Ordinal);
        await server.Server.Session;
        Assert.Contains(server.Server.Log, line => line.EndsWith("smtp disconnected reason=filter", StringComparison.Ordinal));
        Assert.Equal(phase == "quit" ? 1 : 0, server.Server.Envelopes.Count);
    }

    [Fact]
    public async Task A_message_refused_at_its_end_is_not_stored()
    {
        await using FilteredServerFixture server = await FilteredServerFixture.StartAsync();
        server.Ignored = [.. s_hello, .. s_lines];
        server.Decide = static (phase, _) => phase == "commit" ? "reject|550 5.7.1 spam" : null;
        Assert.EndsWith("\r\n550 5.7.1 spam\r\n221 2.0.0 Bye\r\n", await server.SayAsync(Mail + "DATA\nSubject: x\n.\nQUIT\n"), StringComparison.Ordinal);
        Assert.EndsWith("\nprotocol-client|.\n? commit\ntx-rollback|M1\ntx-reset|M1\nprotocol-server|550 5.7.1 spam\nprotocol-client|QUIT\nprotocol-server|221 2.0.0 Bye\nlink-disconnect", await server.HeardAsync(), StringComparison.Ordinal);
        await AssertNothingStoredAsync(server);
    }

    [Theory]
    [InlineData("a\0b\r\n", "550 5.6.0 Message contains NUL bytes")]
    [InlineData("a\nb\r\n", "550 5.6.11 Lines of the message do not all end with CR LF")]
    [InlineData("123456789012345678901234567890123\r\n", "500 5.6.0 Line of the message too long")]
    [InlineData("1234567890123456789012345678901234", "500 5.6.0 Line of the message too long")]
    [InlineData("0123456789\r\n0123456789\r\n0123456789\r\n0123456789\r\n0123456789\r\n0123456789\r\n0123456789\r\n0123456789\r\n", "552 5.3.4 Message size exceeds fixed maximum message size")]
    public async Task Of_a_message_that_fails_filters_hear_the_end_and_are_asked(string bad, string reply)
    {
        await using FilteredServerFixture server = await FilteredServerFixture.StartAsync(SmtpServerFixture.Profile with { MaxLineLength = 32, MaxMessageSize = 100 });
        server.Ignored = [.. s_hello, .. s_protocol];
        server.Decide = static (phase, _) => phase == "commit" ? "reject|550 mine" : null;
        Socket client = await server.Listen().ConnectAsync("192.0.2.1");
        await server.Server.ReadRepliesAsync(client, 1);
        await server.Server.AskAsync(client, Mail.ReplaceLineEndings("\r\n") + "DATA\r\n", 4);
        await SmtpServerFixture.SendAsync(client, "Subject: x\r\n\r\n");
        await server.HearAsync("? data-line");
        Assert.Equal($"{reply}\r\n221 2.0.0 Bye\r\n", await server.Server.AskAsync(client, $"{bad}more\r\n.\r\nQUIT\r\n", 2));
        string heard = await server.HeardAsync();
        Assert.EndsWith("? data-line|Subject: x\n? data-line\n? data-line|.\n? commit\ntx-rollback|M1\ntx-reset|M1\nlink-disconnect", heard, StringComparison.Ordinal);
        await AssertNothingStoredAsync(server);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Junk_is_marked_above_everything(bool wantsLines)
    {
        await using FilteredServerFixture server = await FilteredServerFixture.StartAsync(wantsLines: wantsLines);
        server.Decide = static (phase, parameters) => parameters == "joe@example.com" ? "junk" : null;
        string message = "DATA\nSubject: x\n.\n";
        await server.SayAsync(Mail + message + "MAIL FROM:<bob@example.com>\nRCPT TO:<ann@example.org>\n" + message + "QUIT\n");
        string heard = await server.HeardAsync();
        Assert.Equal(wantsLines, heard.Contains("? data-line|X-Spam: Yes\n? data-line|Received: from", StringComparison.Ordinal));
        Assert.Equal(2, server.Server.Envelopes.Count);
        Assert.StartsWith("X-Spam: Yes\r\nReceived: from a.example ", await server.Server.ContentAsync(server.Server.Envelopes[0].Id.Message), StringComparison.Ordinal);
        Assert.StartsWith("Received: from a.example ", await server.Server.ContentAsync(server.Server.Envelopes[1].Id.Message), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_a_filter_makes_of_a_message_is_what_is_stored()
    {
        await using FilteredServerFixture server = await FilteredServerFixture.StartAsync();
        server.Pass = static line => line.StartsWith("Received", StringComparison.Ordinal) ? ["X-New: 1", line] : line == "drop" ? [] : [line];
        await server.SayAsync(Mail + "DATA\nSubject: x\n\ndrop\n..keep\n.\nQUIT\n");
        Envelope envelope = Assert.Single(server.Server.Envelopes);
        string content = await server.Server.ContentAsync(envelope.Id.Message);
        Assert.StartsWith("X-New: 1\r\nReceived: from a.example ", content, StringComparison.Ordinal);
        Assert.EndsWith("\r\nSubject: x\r\n\r\n.keep\r\n", content, StringComparison.Ordinal);
        Assert.Equal(content.Length, envelope.Size);
        Assert.Contains($"\ntx-commit|M1|{content.Length}\n", await server.HeardAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_a_filter_rewrites_is_what_is_done()
    {
        await using FilteredServerFixture server = await FilteredServerFixture.StartAsync();
        server.Ignored = s_protocol;
        server.Decide = static (phase, _) => phase switch
        {
            "ehlo" => "rewrite|new.example",
            "mail-from" => "rewrite|<new@example.com> RET=HDRS",
            "rcpt-to" => "rewrite|bob@example.org",
            _ => null,
        };
        await server.SayAsync(Mail + "DATA\nSubject: x\n.\nQUIT\n");
        Envelope envelope = Assert.Single(server.Server.Envelopes);
        Assert.Equal(("new.example", "new@example.com", "bob@example.org"), (envelope.Helo, envelope.Sender, envelope.Recipient));
        Assert.Equal("hdrs", envelope.Notification?.Return);
        string heard = await server.HeardAsync();
        Assert.Contains("link-identify|EHLO|new.example\n", heard, StringComparison.Ordinal);
        Assert.Contains("tx-begin|M1\ntx-mail|M1|ok|new@example.com\n", heard, StringComparison.Ordinal);
        Assert.Contains("tx-envelope|M1|M1-envelope\ntx-rcpt|M1|ok|bob@example.org\n", heard, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Envelopes_have_the_ids_that_filters_were_told()
    {
        await using FilteredServerFixture server = await FilteredServerFixture.StartAsync();
        server.KeepsIds = true;
        await server.SayAsync(Mail + "RCPT TO:<bob@example.org>\nDATA\n.\nQUIT\n");
        string heard = await server.HeardAsync();
        Assert.Equal(2, server.Server.Envelopes.Count);
        foreach (Envelope envelope in server.Server.Envelopes)
            Assert.Contains($"\ntx-envelope|{envelope.Id.Message}|{envelope.Id}\n", heard, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_room_in_the_queue_there_is_no_transaction()
    {
        await using FilteredServerFixture server = await FilteredServerFixture.StartAsync(change: static services => services with
        {
            Queue = new(new FailingQueue(new RamQueue()) { Exists = int.MaxValue }, new MailQueueOptions(), services.Time, services.Logger, services.Counters),
        });
        server.Ignored = [.. s_hello, .. s_protocol];
        string said = await server.SayAsync(Mail + "QUIT\n");
        Assert.Contains("\r\n451 4.3.0 Temporary failure, message not stored\r\n503 5.5.1", said, StringComparison.Ordinal);
        Assert.Equal("? mail-from|joe@example.com\nlink-disconnect", await server.HeardAsync());
    }

    private static async Task AssertNothingStoredAsync(FilteredServerFixture server)
    {
        Assert.Empty(server.Server.Envelopes);
        Assert.Empty(await server.Server.Queue.WalkAsync(cancellation: s_cancellation).ToListAsync(s_cancellation));
    }

    [GeneratedRegex(@"(link-tls\|)TLSv1\.[23]:\S+:\d+")]
    private static partial Regex Ciphers();
}

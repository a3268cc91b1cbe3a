using System.Text;
using Posthouse.SystemTests.Support;

namespace Posthouse.SystemTests;

/// <summary>What comes over the wire from people who mean harm or know no better: the server says so, stays up, and the next mail goes through.</summary>
public class HostileInputTests
{
    private static async Task<SmtpClient> GreetedAsync(RunningServer server)
    {
        SmtpClient client = await SmtpClient.ConnectAsync(server.Port);
        await client.SayAsync("EHLO client.example.org", "250");
        return client;
    }

    private static async Task<SmtpClient> InDataAsync(RunningServer server)
    {
        SmtpClient client = await GreetedAsync(server);
        await client.SayAsync("MAIL FROM:<me@example.org>", "250");
        await client.SayAsync("RCPT TO:<you@example.org>", "250");
        await client.SayAsync("DATA", "354");
        return client;
    }

    private static async Task StillWorksAsync(RunningServer server)
    {
        int before = Directory.Exists(server.Mail + "/after/new") ? Directory.GetFiles(server.Mail + "/after/new").Length : 0;
        await server.AcceptAsync("after@example.org");
        await server.WaitForMailAsync("after", before + 1);
        Assert.DoesNotContain(server.Lines, line => line.Contains("Exception", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_client_that_goes_away_at_any_state_leaves_nothing()
    {
        await using RunningServer server = await RunningServer.StartAsync();
        string[] said = ["", "EHLO c.example", "\r\nMAIL FROM:<me@example.org>", "\r\nRCPT TO:<you@example.org>", "\r\nDATA", "\r\nSubject: half\r\n", "\r\nbody\r\n.", "\r"];
        string sofar = "";
        foreach (string more in said)
        {
            sofar += more;
            using SmtpClient client = await SmtpClient.ConnectAsync(server.Port, greet: false);
            await client.WriteAsync(sofar);
        }

        using (SmtpClient chunks = await GreetedAsync(server))
        {
            await chunks.WriteAsync("MAIL FROM:<me@example.org>\r\nRCPT TO:<you@example.org>\r\nBDAT 1000 LAST\r\nSubject: half\r\n");
        }

        await StillWorksAsync(server);
        Assert.Equal(0, await server.StopAsync());
        await server.StartAgainAsync();
        Assert.False(Directory.Exists(server.Mail + "/you"));
        Assert.Equal(2, server.Lines.Count(line => line.Contains("queue: found 0 envelopes of 0 messages", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Garbage_gets_a_5xx_and_too_much_of_it_the_end()
    {
        await using RunningServer server = await RunningServer.StartAsync(RunningServer.SimpleAfter("smtp limit max-errors 5"));
        byte[] noise = new byte[100_000];
        new Random(1).NextBytes(noise);
        using (SmtpClient client = await SmtpClient.ConnectAsync(server.Port))
        {
            try
            {
                await client.WriteAsync(Encoding.Latin1.GetString(noise));
            }
            catch (IOException)
            {
                // It has had enough in the middle: good.
            }

            string reply = await client.ReadReplyAsync();
            Assert.True(reply is "" || reply.StartsWith("500 ", StringComparison.Ordinal), reply);
        }

        using (SmtpClient client = await SmtpClient.ConnectAsync(server.Port))
        {
            foreach (string line in (string[])["FOO", "EHLO", "MAIL FROM:<me@example.org>", "RCPT TO:<x@example.org>"]) await client.SayAsync(line, "50");
            Assert.StartsWith("5", await client.SayAsync("DATA"), StringComparison.Ordinal);
            Assert.StartsWith("421 4.7.0 ", await client.SayAsync("DATA"), StringComparison.Ordinal);
            Assert.True(await client.IsClosedAsync());
        }

        await StillWorksAsync(server);
    }

    [Fact]
    public async Task Too_many_commands_mails_or_recipients_get_what_the_book_says()
    {
        await using RunningServer server = await RunningServer.StartAsync(RunningServer.SimpleAfter("smtp limit max-commands 12 max-mails 2 max-rcpt 2"));
        using (SmtpClient client = await GreetedAsync(server))
        {
            await client.SayAsync("MAIL FROM:<me@example.org>", "250");
            await client.SayAsync("RCPT TO:<a@example.org>", "250");
            await client.SayAsync("RCPT TO:<b@example.org>", "250");
            await client.SayAsync("RCPT TO:<c@example.org>", "452 4.5.3 ");
        }

        using (SmtpClient client = await GreetedAsync(server))
        {
            for (int i = 0; i < 2; i++) Assert.StartsWith("250 ", await client.SendMessageAsync("me@example.org", ["you@example.org"], "Subject: x\n\nbody"), StringComparison.Ordinal);
            await client.SayAsync("MAIL FROM:<me@example.org>", "452 4.5.3 ");
        }

        using (SmtpClient client = await GreetedAsync(server))
        {
            for (int i = 0; i < 11; i++) await client.SayAsync("NOOP", "250");
            await client.SayAsync("NOOP", "421 4.7.0 ");
        }

        await StillWorksAsync(server);
    }

    [Fact]
    public async Task Lines_too_long_are_refused()
    {
        await using RunningServer server = await RunningServer.StartAsync();
        using (SmtpClient client = await GreetedAsync(server))
        {
            await client.WriteAsync("NOOP " + new string('x', 5000) + "\r\n");
            Assert.StartsWith("500 5.5.2 ", await client.ReadReplyAsync(), StringComparison.Ordinal);
            Assert.True(await client.IsClosedAsync());
        }

        using (SmtpClient client = await InDataAsync(server))
        {
            await client.WriteAsync("Subject: x\r\n\r\n" + new string('x', 1_000_000) + "\r\n.\r\n");
            Assert.StartsWith("500 5.6.0 ", await client.ReadReplyAsync(), StringComparison.Ordinal);
            await client.SayAsync("NOOP", "250");
        }

        await StillWorksAsync(server);
        Assert.False(Directory.Exists(server.Mail + "/you"));
    }

    [Theory]
    [InlineData("\n.\n")]
    [InlineData("\n.\r\n")]
    [InlineData("\r\n.\n")]
    [InlineData("\r.\r")]
    [InlineData("\r\n.\r")]
    [InlineData("\r\n\0.\r\n")]
    public async Task Nothing_is_smuggled_behind_an_end_that_is_none(string end)
    {
        await using RunningServer server = await RunningServer.StartAsync();
        using SmtpClient client = await InDataAsync(server);
        await client.WriteAsync($"Subject: outer{"\r\n"}\r\nbody{end}MAIL FROM:<smuggler@example.org>\r\nRCPT TO:<victim@example.org>\r\nDATA\r\nSubject: inner\r\n\r\nsmuggled\r\n.\r\n");
        string reply = await client.ReadReplyAsync();
        if (end.Contains('\0'))
            Assert.True(reply[0] is '2' or '5', reply);
        else
            Assert.StartsWith("550 5.6.11 ", reply, StringComparison.Ordinal);
        // One answer to one message: what stood in it was text.
        await client.SayAsync("NOOP", "250");
        await StillWorksAsync(server);
        Assert.False(Directory.Exists(server.Mail + "/victim"));
    }

    [Fact]
    public async Task A_bare_line_feed_in_a_command_is_refused()
    {
        await using RunningServer server = await RunningServer.StartAsync();
        using (SmtpClient client = await GreetedAsync(server))
        {
            await client.WriteAsync("NOOP\nMAIL FROM:<me@example.org>\r\n");
            Assert.StartsWith("500 5.5.2 ", await client.ReadReplyAsync(), StringComparison.Ordinal);
        }

        using (SmtpClient client = await GreetedAsync(server))
        {
            foreach (string line in (string[])["MAIL FROM:<me\r@example.org>", "MAIL FROM:<me\0@example.org>", "MAIL FROM:<me\u007f@example.org>"])
                Assert.StartsWith("5", await client.SayAsync(line), StringComparison.Ordinal);
        }

        await StillWorksAsync(server);
    }

    [Fact]
    public async Task Size_is_obeyed_early_and_late()
    {
        await using RunningServer server = await RunningServer.StartAsync(RunningServer.SimpleAfter("smtp max-message-size 100K"));
        using SmtpClient client = await GreetedAsync(server);
        Assert.Contains("SIZE 102400", await client.SayAsync("EHLO client.example.org", "250"), StringComparison.Ordinal);
        await client.SayAsync("MAIL FROM:<me@example.org> SIZE=102401", "552 5.3.4 ");
        await client.SayAsync("MAIL FROM:<me@example.org> SIZE=99999999999999999999999999", "5");
        await client.SayAsync("MAIL FROM:<me@example.org> SIZE=-1", "501 ");
        await client.SayAsync("MAIL FROM:<me@example.org> SIZE=10", "250");
        await client.SayAsync("RCPT TO:<you@example.org>", "250");
        await client.SayAsync("DATA", "354");
        for (int i = 0; i < 200; i++) await client.WriteAsync(string.Concat(Enumerable.Repeat("0123456789 a line of the message, and it is one of many\r\n", 40)));
        await client.WriteAsync(".\r\n");
        Assert.StartsWith("552 5.3.4 ", await client.ReadReplyAsync(), StringComparison.Ordinal);
        await client.SayAsync("NOOP", "250");
        await StillWorksAsync(server);
        Assert.False(Directory.Exists(server.Mail + "/you"));
    }

    [Fact]
    public async Task Chunks_misused_are_refused_and_used_well_they_deliver()
    {
        await using RunningServer server = await RunningServer.StartAsync();
        using (SmtpClient client = await GreetedAsync(server))
        {
            // Without a recipient the chunk is refused, and its bytes are no commands.
            await client.WriteAsync("BDAT 12 LAST\r\nRSET\r\nRSET\r\n");
            Assert.StartsWith("503 ", await client.ReadReplyAsync(), StringComparison.Ordinal);
            await client.SayAsync("NOOP", "250");
        }

        foreach (string line in (string[])["BDAT", "BDAT x", "BDAT -5", "BDAT 99999999999999999999", "BDAT 5 FIRST"])
        {
            // How long such a chunk is nobody knows, so the session may end here.
            using SmtpClient client = await GreetedAsync(server);
            Assert.StartsWith("5", await client.SayAsync(line), StringComparison.Ordinal);
        }

        using (SmtpClient client = await GreetedAsync(server))
        {
            await client.SayAsync("MAIL FROM:<me@example.org>", "250");
            await client.SayAsync("RCPT TO:<you@example.org>", "250");
            await client.WriteAsync("BDAT 12\r\nSubject: x\r\n");
            Assert.StartsWith("250 ", await client.ReadReplyAsync(), StringComparison.Ordinal);
            await client.SayAsync("DATA", "503 ");
            await client.SayAsync("MAIL FROM:<me@example.org>", "503 ");
            await client.WriteAsync("BDAT 10 LAST\r\n\r\n.\r\nbody\n");
            Assert.StartsWith("550 5.6.11 ", await client.ReadReplyAsync(), StringComparison.Ordinal);
        }

        using (SmtpClient client = await GreetedAsync(server))
        {
            await client.SayAsync("MAIL FROM:<me@example.org>", "250");
            await client.SayAsync("RCPT TO:<you@example.org>", "250");
            await client.WriteAsync("BDAT 14\r\nSubject: x\r\n\r\nBDAT 9 LAST\r\n.\r\nbody\r\n");
            Assert.StartsWith("250 ", await client.ReadReplyAsync(), StringComparison.Ordinal);
            Assert.StartsWith("250 ", await client.ReadReplyAsync(), StringComparison.Ordinal);
        }

        Assert.EndsWith("\n\n.\nbody\n", await server.ReadMailAsync("you"), StringComparison.Ordinal);
        await StillWorksAsync(server);
    }

    [Fact]
    public async Task Vrfy_and_the_like_tell_nothing()
    {
        await using RunningServer server = await RunningServer.StartAsync();
        using SmtpClient client = await GreetedAsync(server);
        await client.SayAsync("VRFY root", "252 ");
        Assert.StartsWith("50", await client.SayAsync("EXPN root"), StringComparison.Ordinal);
        await client.SayAsync("HELP", "214");
        await client.SayAsync("LHLO client.example.org", "50");
        await client.SayAsync("STARTTLS", "50");
        await client.SayAsync("AUTH PLAIN AGEAYg==", "50");
    }

    [Fact]
    public async Task A_message_that_has_been_everywhere_is_a_loop()
    {
        await using RunningServer server = await RunningServer.StartAsync();
        string loop = string.Concat(Enumerable.Repeat("Received: from a by b; Wed, 1 Jan 2020 00:00:00 +0000\n", 101)) + "Subject: x\n\nbody";
        Assert.StartsWith("554 5.4.6 ", await server.SendAsync("you@example.org", loop), StringComparison.Ordinal);
        await StillWorksAsync(server);
    }

    [Fact]
    public async Task A_hundred_clients_that_say_nothing_do_not_keep_the_next_out()
    {
        await using RunningServer server = await RunningServer.StartAsync();
        List<SmtpClient> silent = [];
        try
        {
            for (int i = 0; i < 100; i++) silent.Add(await SmtpClient.ConnectAsync(server.Port));
            await StillWorksAsync(server);
        }
        finally
        {
            silent.ForEach(client => client.Dispose());
        }
    }

    [Fact]
    public async Task A_flood_of_connections_leaves_files_for_the_mail_that_is_here()
    {
        await using RunningServer server = await RunningServer.StartAsync(prepare: server => server.Launcher = ["prlimit", "--nofile=256:256"]);
        List<SmtpClient> flood = [];
        try
        {
            using SmtpClient first = await GreetedAsync(server);
            string greeting = "220 ";
            for (int i = 0; i < 300 && greeting.StartsWith("220 ", StringComparison.Ordinal); i++)
            {
                flood.Add(await SmtpClient.ConnectAsync(server.Port, greet: false));
                greeting = await flood[^1].ReadReplyAsync();
            }

            Assert.StartsWith("421 4.3.2 ", greeting, StringComparison.Ordinal);
            Assert.StartsWith("250 ", await first.SendMessageAsync("me@example.org", ["you@example.org"], "Subject: x\n\nbody"), StringComparison.Ordinal);
            await server.ReadMailAsync("you");
        }
        finally
        {
            flood.ForEach(client => client.Dispose());
        }
    }
}

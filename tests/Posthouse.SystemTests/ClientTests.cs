using Posthouse.SystemTests.Support;

namespace Posthouse.SystemTests;

/// <summary>Mail from the programs that people send mail with reaches a maildir.</summary>
public class ClientTests
{
    [Fact]
    public async Task Swaks_sends_a_mail_into_a_maildir()
    {
        await using RunningServer server = await RunningServer.StartAsync();
        Tool swaks = await Tool.RunAsync("swaks", "--server", $"127.0.0.1:{server.Port}", "--from", "me@example.org", "--to", "you@example.org",
            "--header", "Subject: hello", "--body", "first\n.second\n..third\n");
        Assert.True(swaks.ExitCode == 0, swaks.ToString());
        string mail = await File.ReadAllTextAsync(Assert.Single(await server.WaitForMailAsync("you")), TestContext.Current.CancellationToken);
        Assert.StartsWith("Return-Path: <me@example.org>\nDelivered-To: you@example.org\nReceived: from ", mail, StringComparison.Ordinal);
        Assert.Contains("\nSubject: hello\n", mail, StringComparison.Ordinal);
        Assert.Contains("\nfirst\n.second\n..third\n", mail, StringComparison.Ordinal);
        Assert.DoesNotContain('\r', mail);
    }

    [Fact]
    public async Task Curl_sends_a_mail()
    {
        await using RunningServer server = await RunningServer.StartAsync();
        Tool curl = await Tool.RunAsync("curl", ["-sS", $"smtp://127.0.0.1:{server.Port}", "--mail-from", "me@example.org", "--mail-rcpt", "you@example.org", "--upload-file", "-"],
            "Subject: by curl\r\n\r\nbody\r\n");
        Assert.True(curl.ExitCode == 0, curl.ToString());
        Assert.Contains("Subject: by curl\n", await File.ReadAllTextAsync((await server.WaitForMailAsync("you"))[0], TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Python_smtplib_sends_a_mail_to_two()
    {
        await using RunningServer server = await RunningServer.StartAsync();
        Tool python = await Tool.RunAsync("python3", "-c", $$"""
            import smtplib
            with smtplib.SMTP('127.0.0.1', {{server.Port}}) as s:
                s.ehlo()
                assert s.has_extn('size') and s.has_extn('pipelining') and s.has_extn('8bitmime') and s.has_extn('smtputf8')
                s.sendmail('me@example.org', ['one@example.org', 'two@example.org'], 'Subject: by smtplib\r\n\r\nbody\r\n')
            """);
        Assert.True(python.ExitCode == 0, python.ToString());
        await server.WaitForMailAsync("one");
        await server.WaitForMailAsync("two");
    }

    [Fact]
    public async Task Msmtp_sends_a_mail()
    {
        await using RunningServer server = await RunningServer.StartAsync();
        Tool msmtp = await Tool.RunAsync("msmtp", ["--host=127.0.0.1", $"--port={server.Port}", "--from=me@example.org", "you@example.org"], "Subject: by msmtp\n\nbody\n");
        Assert.True(msmtp.ExitCode == 0, msmtp.ToString());
        await server.WaitForMailAsync("you");
    }

    [Fact]
    public async Task MailKit_sends_a_mail_with_a_utf8_address()
    {
        await using RunningServer server = await RunningServer.StartAsync();
        using MailKit.Net.Smtp.SmtpClient client = new();
        await client.ConnectAsync("127.0.0.1", server.Port, MailKit.Security.SecureSocketOptions.None, TestContext.Current.CancellationToken);
        using MimeKit.MimeMessage message = new();
        message.From.Add(new MimeKit.MailboxAddress("Me", "me@example.org"));
        message.To.Add(new MimeKit.MailboxAddress("You", "grün@example.org"));
        message.Subject = "by MailKit";
        message.Body = new MimeKit.TextPart("plain") { Text = "body" };
        MimeKit.FormatOptions options = MimeKit.FormatOptions.Default.Clone();
        options.International = true;
        await client.SendAsync(options, message, TestContext.Current.CancellationToken);
        await client.DisconnectAsync(true, TestContext.Current.CancellationToken);
        await server.WaitForMailAsync("grün");
    }

    [Fact]
    public async Task Smtp_source_sends_a_thousand_mails_in_twenty_sessions()
    {
        await using RunningServer server = await RunningServer.StartAsync();
        Tool source = await Tool.RunAsync("/usr/sbin/smtp-source", "-s", "20", "-m", "1000", "-l", "5000", "-d", "-f", "me@example.org", "-t", "you@example.org", $"127.0.0.1:{server.Port}");
        Assert.True(source.ExitCode == 0, source.ToString());
        Assert.Equal(1000, (await server.WaitForMailAsync("you", 1000, 120)).Length);
    }
}

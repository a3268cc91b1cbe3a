using Posthouse.SystemTests.Support;

namespace Posthouse.SystemTests;

/// <summary>Encryption, by the programs that people use and by clients that mean harm.</summary>
public class EncryptedServerTests
{
    private const string Deliver = """
        table everybody { "@" = "{user}" }
        action "mailbox" maildir "{mail}/%{rcpt.user}" user "{user}" virtual <everybody>
        match from any for any action "mailbox"
        """;

    private static Task<RunningServer> StartAsync(string options, string deliver = Deliver) => RunningServer.StartAsync(
        $$"""
        {{Certificates.Pki("mx.example.org")}}{{Certificates.Pki("other.example.org")}}
        listen on 127.0.0.1 port {port} {{options}}
        listen on 127.0.0.1 port {port2} smtps pki mx.example.org pki other.example.org
        {{deliver}}
        """,
        prepare: server =>
        {
            Certificates.Make(server.Folder, "mx.example.org");
            Certificates.Make(server.Folder, "other.example.org", "rsa");
        });

    [Fact]
    public async Task Swaks_by_starttls_and_smtps()
    {
        await using RunningServer server = await StartAsync("tls pki mx.example.org");
        Tool started = await Tool.RunAsync("swaks", "--server", $"127.0.0.1:{server.Port}", "--tls", "--from", "me@example.org", "--to", "started@example.org");
        Assert.True(started.ExitCode == 0, started.ToString());
        Tool whole = await Tool.RunAsync("swaks", "--server", $"127.0.0.1:{server.SecondPort}", "--tls-on-connect", "--from", "me@example.org", "--to", "whole@example.org");
        Assert.True(whole.ExitCode == 0, whole.ToString());
        foreach (string box in (string[])["started", "whole"])
        {
            string mail = await server.ReadMailAsync(box);
            Assert.Contains(" with ESMTPS id ", mail, StringComparison.Ordinal);
            Assert.Contains(" (TLSv1.3:TLS_", mail, StringComparison.Ordinal);
        }

        Assert.Contains(server.Lines, line => line.Contains("smtp tls ciphers=TLSv1.3:TLS_", StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_name_the_client_asks_for_chooses_the_certificate()
    {
        await using RunningServer server = await StartAsync("tls pki mx.example.org pki other.example.org");
        foreach ((string asked, string got) in ((string, string)[])[("other.example.org", "other.example.org"), ("mx.example.org", "mx.example.org"), ("unknown.example.org", "mx.example.org")])
        {
            Tool client = await Tool.RunAsync("openssl", ["s_client", "-starttls", "smtp", "-connect", $"127.0.0.1:{server.Port}", "-servername", asked], "QUIT\r\n");
            Assert.Contains($"subject=CN = {got}\n", client.Output, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Old_versions_of_tls_are_refused_and_the_next_client_is_served()
    {
        await using RunningServer server = await StartAsync("tls pki mx.example.org");
        Tool old = await Tool.RunAsync("openssl", ["s_client", "-starttls", "smtp", "-connect", $"127.0.0.1:{server.Port}", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], "QUIT\r\n");
        Assert.NotEqual(0, old.ExitCode);
        using (SmtpClient rude = await SmtpClient.ConnectAsync(server.SecondPort, greet: false))
        {
            // Plain text where TLS is expected.
            await rude.WriteAsync("EHLO client.example.org\r\n");
            Assert.DoesNotContain("250", await rude.ReadReplyAsync(), StringComparison.Ordinal);
        }

        await server.AcceptAsync("you@example.org");
    }

    // CVE-2011-0411 and its like: what was sent in clear behind STARTTLS must not count inside.
    [Fact]
    public async Task What_was_injected_behind_starttls_is_discarded()
    {
        await using RunningServer server = await StartAsync("tls pki mx.example.org");
        using SmtpClient client = await SmtpClient.ConnectAsync(server.Port);
        await client.SayAsync("EHLO client.example.org", "250");
        await client.WriteAsync("STARTTLS\r\nEHLO evil.example.org\r\nMAIL FROM:<evil@example.org>\r\n");
        Assert.StartsWith("220 ", await client.ReadReplyAsync(), StringComparison.Ordinal);
        await client.EncryptAsync();
        // The greeting is forgotten too (RFC 3207 section 4.2).
        await client.SayAsync("MAIL FROM:<me@example.org>", "503 ");
        Assert.DoesNotContain("STARTTLS", await client.SayAsync("EHLO client.example.org", "250"), StringComparison.Ordinal);
        await client.SayAsync("RCPT TO:<you@example.org>", "503 ");
        await client.SayAsync("STARTTLS", "503 ");
        Assert.StartsWith("250 ", await client.SendMessageAsync("me@example.org", ["you@example.org"], "Subject: x\n\nbody"), StringComparison.Ordinal);
        Assert.DoesNotContain("evil", await server.ReadMailAsync("you"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tls_require_takes_no_mail_in_clear()
    {
        await using RunningServer server = await StartAsync("tls-require pki mx.example.org", """
            table everybody { "@" = "{user}" }
            action "mailbox" maildir "{mail}/%{rcpt.user}" user "{user}" virtual <everybody>
            match tls from any for any action "mailbox"
            """);
        using SmtpClient client = await SmtpClient.ConnectAsync(server.Port);
        await client.SayAsync("EHLO client.example.org", "250");
        await client.SayAsync("MAIL FROM:<me@example.org>", "530 5.7.0 ");
        await client.SayAsync("STARTTLS now", "501 ");
        await client.SayAsync("STARTTLS", "220 ");
        await client.EncryptAsync();
        await client.SayAsync("EHLO client.example.org", "250");
        Assert.StartsWith("250 ", await client.SendMessageAsync("me@example.org", ["you@example.org"], "Subject: x\n\nbody"), StringComparison.Ordinal);
        await server.ReadMailAsync("you");
    }

    [Fact]
    public async Task Client_certificates_are_demanded_and_verified()
    {
        await using RunningServer server = await RunningServer.StartAsync(
            $$"""
            {{Certificates.Pki("mx.example.org")}}
            ca clients cert "{dir}/client.example.org.crt"
            listen on 127.0.0.1 port {port} tls-require verify pki mx.example.org ca clients
            {{Deliver}}
            """,
            prepare: server =>
            {
                foreach (string name in (string[])["mx.example.org", "client.example.org", "stranger.example.org"]) Certificates.Make(server.Folder, name);
            });
        Tool Swaks(params string[] more) => Tool.RunAsync("swaks", ["--server", $"127.0.0.1:{server.Port}", "--tls", "--from", "me@example.org", "--to", "you@example.org", .. more]).GetAwaiter().GetResult();
        Assert.NotEqual(0, Swaks().ExitCode);
        Assert.NotEqual(0, Swaks("--tls-cert", $"{server.Folder}/stranger.example.org.crt", "--tls-key", $"{server.Folder}/stranger.example.org.key").ExitCode);
        Tool known = Swaks("--tls-cert", $"{server.Folder}/client.example.org.crt", "--tls-key", $"{server.Folder}/client.example.org.key");
        Assert.True(known.ExitCode == 0, known.ToString());
        await server.ReadMailAsync("you");
        await server.WaitForLogAsync("smtp cert-check result=\"verified\" fingerprint=\"SHA256:");
    }

    [Fact]
    public async Task A_certificate_that_was_replaced_is_used_without_a_restart()
    {
        await using RunningServer server = await StartAsync("tls pki mx.example.org");
        async Task<string> FingerprintAsync()
        {
            Tool shown = await Tool.RunAsync("sh", "-c", $"openssl s_client -starttls smtp -connect 127.0.0.1:{server.Port} </dev/null 2>/dev/null | openssl x509 -noout -fingerprint");
            Assert.True(shown.ExitCode == 0, shown.ToString());
            return shown.Output;
        }

        string before = await FingerprintAsync();
        Certificates.Make(server.Folder, "mx.example.org");
        DateTime deadline = DateTime.UtcNow.AddSeconds(60);
        while (await FingerprintAsync() == before) Assert.True(DateTime.UtcNow < deadline, "the old certificate is still shown after 60 s");
    }
}

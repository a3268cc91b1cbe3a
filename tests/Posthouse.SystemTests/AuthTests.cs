using System.Text;
using Posthouse.SystemTests.Support;

namespace Posthouse.SystemTests;

/// <summary>Submission by people who say who they are.</summary>
public class AuthTests
{
    private static Task<RunningServer> StartAsync(string options, string before = "") => RunningServer.StartAsync(
        $$"""
        {{Certificates.Pki("mx.example.org")}}
        table passwords file:{dir}/passwords
        {{before}}
        listen on 127.0.0.1 port {port} tls pki mx.example.org {{options}}
        table everybody { "@" = "{user}" }
        action "mailbox" maildir "{mail}/%{rcpt.user}" user "{user}" virtual <everybody>
        match from any for domain "here.example" action "mailbox"
        match from auth for any action "mailbox"
        """,
        prepare: server =>
        {
            Certificates.Make(server.Folder, "mx.example.org");
            Tool ours = Tool.RunAsync(SourceTree.Executable, "encrypt", "secret of joe").GetAwaiter().GetResult();
            Tool theirs = Tool.RunAsync("openssl", "passwd", "-6", "Secret of Ann").GetAwaiter().GetResult();
            Assert.StartsWith("$6$", ours.Output, StringComparison.Ordinal);
            File.WriteAllText(server.Folder + "/passwords", $"joe {ours.Output}ann ann:{theirs.Output}");
        });

    private static Task<Tool> SwaksAsync(RunningServer server, string mechanism, string user, string password, string to = "you@far.example") =>
        Tool.RunAsync("swaks", "--server", $"127.0.0.1:{server.Port}", "--tls", "--auth", mechanism, "--auth-user", user, "--auth-password", password, "--from", "me@example.org", "--to", to);

    private static async Task<SmtpClient> ConnectAsync(RunningServer server, string? user = null, string? password = null)
    {
        SmtpClient client = await SmtpClient.ConnectAsync(server.Port);
        await client.SayAsync("EHLO client.example.org", "250");
        await client.SayAsync("STARTTLS", "220");
        await client.EncryptAsync();
        await client.SayAsync("EHLO client.example.org", "250");
        if (user is not null) await client.SayAsync("AUTH PLAIN " + Plain(user, password!), "235 2.7.0 ");
        return client;
    }

    private static string Plain(string user, string password) => Convert.ToBase64String(Encoding.UTF8.GetBytes($"\0{user}\0{password}"));

    [Fact]
    public async Task Swaks_by_plain_and_login_with_hashes_of_ours_and_openssl_s()
    {
        await using RunningServer server = await StartAsync("auth <passwords> received-auth");
        Tool plain = await SwaksAsync(server, "PLAIN", "joe", "secret of joe", "plain@far.example");
        Assert.True(plain.ExitCode == 0, plain.ToString());
        Tool login = await SwaksAsync(server, "LOGIN", "ann", "Secret of Ann", "login@far.example");
        Assert.True(login.ExitCode == 0, login.ToString());
        string mail = await server.ReadMailAsync("plain");
        Assert.Contains(" with ESMTPSA id ", mail, StringComparison.Ordinal);
        Assert.Contains(" auth=yes user=joe", mail, StringComparison.Ordinal);
        await server.ReadMailAsync("login");
        foreach ((string user, string password) in ((string, string)[])[("joe", "secret of ann"), ("ann", "secret of ann"), ("nobody-here", "x")])
            Assert.NotEqual(0, (await SwaksAsync(server, "PLAIN", user, password)).ExitCode);
        Assert.Contains(server.Lines, line => line.Contains("smtp authentication user=ann result=permfail", StringComparison.Ordinal));
        // Neither passwords nor what was said in AUTH stand in the log.
        Assert.DoesNotContain(server.Lines, line => line.Contains("ecret", StringComparison.Ordinal) || line.Contains(Plain("joe", "secret of joe"), StringComparison.Ordinal));
    }

    [Fact]
    public async Task Auth_is_neither_offered_nor_taken_in_clear_and_demanded_before_mail()
    {
        await using RunningServer server = await StartAsync("auth <passwords>");
        using SmtpClient clear = await SmtpClient.ConnectAsync(server.Port);
        Assert.DoesNotContain("AUTH", await clear.SayAsync("EHLO client.example.org", "250"), StringComparison.Ordinal);
        await clear.SayAsync("AUTH PLAIN " + Plain("joe", "secret of joe"), "538 5.7.11 ");
        await clear.SayAsync("MAIL FROM:<me@example.org>", "530 5.7.0 ");
        using SmtpClient client = await ConnectAsync(server);
        Assert.Contains("AUTH PLAIN LOGIN", await client.SayAsync("EHLO client.example.org", "250"), StringComparison.Ordinal);
        await client.SayAsync("MAIL FROM:<me@example.org>", "530 5.7.0 ");
        await client.SayAsync("AUTH PLAIN", "334 ");
        await client.SayAsync("*", "501 ");
        await client.SayAsync("AUTH PLAIN !!!", "501 ");
        await client.SayAsync("AUTH DIGEST-MD5", "504 ");
        await client.SayAsync("AUTH LOGIN", "334 VXNlcm5hbWU6");
        await client.SayAsync(Convert.ToBase64String("joe"u8), "334 UGFzc3dvcmQ6");
        await client.SayAsync(Convert.ToBase64String("secret of joe"u8), "235 ");
        await client.SayAsync("AUTH PLAIN " + Plain("joe", "secret of joe"), "503 ");
        Assert.StartsWith("250 ", await client.SendMessageAsync("me@example.org", ["you@far.example"], "Subject: x\n\nbody"), StringComparison.Ordinal);
    }

    // The fix of OpenSMTPD 7.8: a line end in a user name or password reached the table's protocol.
    [Fact]
    public async Task Control_characters_in_a_name_or_password_are_refused()
    {
        await using RunningServer server = await StartAsync("auth <passwords>");
        using SmtpClient client = await ConnectAsync(server);
        foreach ((string user, string password) in ((string, string)[])[("joe\nann", "x"), ("joe", "secret of joe\n"), ("joe\r", "x"), ("", "")])
            Assert.StartsWith("5", await client.SayAsync("AUTH PLAIN " + Plain(user, password)), StringComparison.Ordinal);
        await client.SayAsync("AUTH PLAIN " + Plain("joe", "secret of joe"), "235 ");
    }

    [Fact]
    public async Task Optional_authentication_opens_what_the_rules_give_to_users()
    {
        await using RunningServer server = await StartAsync("auth-optional <passwords>");
        using SmtpClient stranger = await ConnectAsync(server);
        await stranger.SayAsync("MAIL FROM:<me@example.org>", "250");
        await stranger.SayAsync("RCPT TO:<you@here.example>", "250");
        await stranger.SayAsync("RCPT TO:<you@far.example>", "550 5.1.1 ");
        using SmtpClient user = await ConnectAsync(server, "joe", "secret of joe");
        Assert.StartsWith("250 ", await user.SendMessageAsync("me@example.org", ["you@far.example"], "Subject: x\n\nbody"), StringComparison.Ordinal);
        await server.ReadMailAsync("you");
    }

    [Fact]
    public async Task A_user_sends_only_as_whom_the_table_says_and_from_is_rewritten()
    {
        await using RunningServer server = await StartAsync("auth <passwords> senders <who> masquerade", "table who { joe = \"joe@example.com, @joe.example\" }");
        using SmtpClient client = await ConnectAsync(server, "joe", "secret of joe");
        await client.SayAsync("MAIL FROM:<ann@example.com>", "530 5.7.1 ");
        await client.SayAsync("MAIL FROM:<any@joe.example>", "250");
        await client.SayAsync("RSET", "250");
        Assert.StartsWith("250 ", await client.SendMessageAsync("joe@example.com", ["you@far.example"], "From: \"The Boss\" <boss@example.com>\nTo: you\nBcc: hidden@example.com\nSubject: x\n\nbody"), StringComparison.Ordinal);
        string mail = await server.ReadMailAsync("you");
        Assert.Contains("joe@example.com", mail.Split('\n').Single(line => line.StartsWith("From:", StringComparison.Ordinal)), StringComparison.Ordinal);
        Assert.DoesNotContain("boss@example.com", mail, StringComparison.Ordinal);
        Assert.DoesNotContain("hidden", mail, StringComparison.Ordinal);
        Assert.Contains("\nDate: ", mail, StringComparison.Ordinal);
        Assert.Contains("\nMessage-ID: ", mail, StringComparison.OrdinalIgnoreCase);
    }
}

using Posthouse.Server.Native;
using Posthouse.SystemTests.Support;

namespace Posthouse.SystemTests.Filters;

/// <summary>OpenSMTPD's filters as Debian packages them, each behind a listener, and all of them together.</summary>
public class RealFiltersTests
{
    private const string DkimSign = "filter \"dkim\" proc-exec \"filter-dkimsign -d example.org -s sel -k {dir}/key.pem\" user \"{user}\"\n";
    private const string SenderScore = "filter \"score\" proc-exec \"filter-senderscore -blockBelow 50 -junkBelow 80 -scoreHeader\" user \"{user}\"\n";

    private static string Rspamd(int port) => $"filter \"rspamd\" proc-exec \"{RspamdServer.FilterCommandFor(port)}\" user \"{{user}}\"\n";

    [Fact]
    public async Task Dkimsign_signs_what_everybody_can_verify()
    {
        await using RunningServer server = await RunningServer.StartAsync(FilterScript.Configuration(DkimSign, "\"dkim\""), prepare: DkimKey.Make);
        string[] bodies =
        [
            "body",
            "",
            ".\n..\n.dot\n...\nend\n.",
            "gr\u00fc\u00dfe \u00ff\u0080 in bytes",
            "trailing space \n\ttab\t\n\n\n",
            string.Concat(Enumerable.Repeat(new string('x', 990) + "\n", 500)),
        ];
        // Several messages in one session, and one in a session of its own.
        using (SmtpClient client = await SmtpClient.ConnectAsync(server.Port))
        {
            await client.SayAsync("EHLO client.example.org", "250");
            foreach (string body in bodies)
                Assert.StartsWith("250 ", await client.SendMessageAsync("me@example.org", ["you@example.org"], $"From: me@example.org\nTo: you@example.org\nSubject: x\n\n{body}"), StringComparison.Ordinal);
            await client.SayAsync("QUIT", "221");
        }

        await server.AcceptAsync("you@example.org", "From: me@example.org\nSubject: folded\n and long\n\nbody");
        string[] mail = await server.WaitForMailAsync("you", bodies.Length + 1);
        foreach (string file in mail) Assert.Contains("\nDKIM-Signature: v=1; a=rsa-sha256;", await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken), StringComparison.Ordinal);
        await DkimKey.VerifyAsync(server, mail);
        Assert.Contains(mail, file => File.ReadAllText(file).EndsWith("\n\n.\n..\n.dot\n...\nend\n.\n", StringComparison.Ordinal));

        // The listener without it does not sign.
        await server.AcceptAsync("plain@example.org", port: server.SecondPort);
        Assert.DoesNotContain("DKIM-Signature", await server.ReadMailAsync("plain"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Our_own_signer_signs_what_everybody_can_verify()
    {
        await using RunningServer server = await RunningServer.StartAsync(
            FilterScript.Configuration("filter \"dkim\" proc-exec \"{dir}/signer/dkim-sign {dir}/keys\" user \"{user}\"\n", "\"dkim\""), prepare: server =>
            {
                DkimKey.Make(server);
                server.WriteOwn(Path.Combine(server.Folder, "keys"), $"example.org sel {server.Folder}/key.pem\n");
                // Whoever filters run as may not get through to the source tree.
                string signer = Directory.CreateDirectory(Path.Combine(server.Folder, "signer")).FullName;
                foreach (string file in Directory.EnumerateFiles(Path.Combine(SourceTree.Root, "extras", "filters", "dkim-sign", "bin", "Debug", "net10.0"))) File.Copy(file, Path.Combine(signer, Path.GetFileName(file)));
            });
        foreach (string body in (string[])["body", "", ".\n..\n.dot\n.", "trailing space \n\ttab\t\n\n\n", string.Concat(Enumerable.Repeat(new string('x', 990) + "\n", 2000))])
            await server.AcceptAsync("you@example.org", $"From: me@example.org\nTo: you@example.org\nSubject: x\n\n{body}");
        string[] mail = await server.WaitForMailAsync("you", 5);
        foreach (string file in mail) Assert.Contains("\nDKIM-Signature: v=1; a=rsa-sha256;", await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken), StringComparison.Ordinal);
        await DkimKey.VerifyAsync(server, mail);
    }

    [Fact]
    public async Task Senderscore_judges_clients_by_what_it_finds_in_the_dns()
    {
        if (!SystemAccounts.IsRoot) return;
        await using Names names = ScoredNames();
        await using RunningServer server = await RunningServer.StartAsync(FilterScript.Configuration(SenderScore, "\"score\" proxy-v2"), prepare: names.PrepareFor);

        foreach ((string address, string box) in ((string, string)[])[("198.51.100.90", "good"), ("198.51.100.60", "junk"), ("198.51.100.1", "unknown"), ("2001:db8::1", "six")])
            Assert.StartsWith("250 ", await SendFromAsync(server, address, $"{box}@example.org"), StringComparison.Ordinal);
        using (SmtpClient blocked = await SmtpClient.ConnectAsync(server.Port, greet: false, proxied: "198.51.100.10"))
        {
            Assert.StartsWith("550 your IP reputation is too low for this MX", await blocked.ReadReplyAsync(), StringComparison.Ordinal);
            Assert.True(await blocked.IsClosedAsync());
        }

        string good = await server.ReadMailAsync("good"), junk = await server.ReadMailAsync("junk");
        Assert.Contains("\nX-SenderScore: 90\n", good, StringComparison.Ordinal);
        Assert.DoesNotContain("\nX-Spam:", good, StringComparison.Ordinal);
        Assert.Contains("\nX-SenderScore: 60\n", junk, StringComparison.Ordinal);
        Assert.Contains("\nX-Spam: Yes\n", junk, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain("X-SenderScore", await server.ReadMailAsync("unknown") + await server.ReadMailAsync("six"), StringComparison.Ordinal);
        await server.WaitForLogAsync("link-connect addr=198.51.100.10 score=10");
    }

    [Fact]
    public async Task Rspamd_itself_knows_ham_from_spam()
    {
        await using RspamdServer rspamd = await RspamdServer.StartAsync(RunningServer.FreePort());
        Assert.Contains("\"reject\"", await rspamd.CheckAsync($"Subject: x\n\n{RspamdServer.Gtube}\nmore\n"), StringComparison.Ordinal);
        Assert.Contains("\"add header\"", await rspamd.CheckAsync("Subject: x\nX-Test-Score: 7\n\nspam\n"), StringComparison.Ordinal);
        await rspamd.StopAsync();
        Assert.Null(await rspamd.CheckAsync("Subject: x\n\nham\n"));
    }

    [Fact]
    public async Task Rspamd_refuses_marks_and_passes()
    {
        await using RspamdServer rspamd = await RspamdServer.StartAsync(RunningServer.FreePort());
        await using RunningServer server = await RunningServer.StartAsync(FilterScript.Configuration(Rspamd(rspamd.Port), "\"rspamd\" proxy-v2"));

        using SmtpClient client = await SmtpClient.ConnectAsync(server.Port, proxied: "198.51.100.7");
        await client.SayAsync("EHLO client.example.org", "250");
        Assert.StartsWith("550 Gtube pattern", await client.SendMessageAsync("me@example.org", ["never@example.org"], $"Subject: x\n\n{RspamdServer.Gtube}\nmore"), StringComparison.Ordinal);
        Assert.StartsWith("250 ", await client.SendMessageAsync("me@example.org", ["ham@example.org"], "Subject: x\n\n.\nham\n"), StringComparison.Ordinal);
        // Greylisted, which needs Redis; and after a second no more.
        const string Grey = "Subject: x\nX-Test-Score: 7\n\nspam";
        Assert.StartsWith("451 Try again later", await client.SendMessageAsync("me@example.org", ["spam@example.org"], Grey), StringComparison.Ordinal);
        await UntilTakenAsync(client, "spam@example.org", Grey);

        string ham = await server.ReadMailAsync("ham"), spam = await server.ReadMailAsync("spam");
        Assert.Contains("\nAuthentication-Results: ", ham, StringComparison.Ordinal);
        Assert.EndsWith("\n\n.\nham\n\n", ham, StringComparison.Ordinal);
        Assert.DoesNotContain("X-Spam", ham, StringComparison.Ordinal);
        foreach (string header in (string[])["X-Spam: yes", "X-Spam-Score: 7 / 15", "X-Spam-Status: Yes, score=7.000 required=15.000"])
            Assert.Contains($"\n{header}\n", spam, StringComparison.Ordinal);
        Assert.False(Directory.Exists(server.Mail + "/never"));
    }

    [Fact]
    public async Task Rspamd_that_is_away_is_a_pause_for_its_listener_alone()
    {
        await using RspamdServer rspamd = await RspamdServer.StartAsync(RunningServer.FreePort());
        await using RunningServer server = await RunningServer.StartAsync(FilterScript.Configuration(Rspamd(rspamd.Port), "\"rspamd\""));
        await rspamd.StopAsync();
        using (SmtpClient client = await SmtpClient.ConnectAsync(server.Port))
        {
            await client.SayAsync("EHLO client.example.org", "250");
            Assert.StartsWith("421 server internal error", await client.SendMessageAsync("me@example.org", ["you@example.org"], "Subject: x\n\nbody"), StringComparison.Ordinal);
            Assert.True(await client.IsClosedAsync());
        }

        await server.WaitForLogAsync(static line => line.Contains("rspamd", StringComparison.Ordinal) && line.Contains("failed to receive a response from daemon", StringComparison.Ordinal));
        await server.AcceptAsync("other@example.org", port: server.SecondPort);
        await rspamd.StartAgainAsync();
        await server.AcceptAsync("you@example.org");
        Assert.Contains("\nAuthentication-Results: ", await server.ReadMailAsync("you"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task All_three_in_a_chain()
    {
        if (!SystemAccounts.IsRoot) return;
        await using Names names = ScoredNames();
        await using RspamdServer rspamd = await RspamdServer.StartAsync(RunningServer.FreePort());
        await using RunningServer server = await RunningServer.StartAsync(
            FilterScript.Configuration(SenderScore + Rspamd(rspamd.Port) + DkimSign + "filter \"all\" chain { \"score\", \"rspamd\", \"dkim\" }", "\"all\" proxy-v2", "{ \"rspamd\", \"dkim\" }"),
            prepare: server =>
            {
                names.PrepareFor(server);
                DkimKey.Make(server);
            });

        const string Mail = "From: me@example.org\nSubject: x\n\n.\nbody\n..";
        Assert.StartsWith("250 ", await SendFromAsync(server, "198.51.100.90", "good@example.org", Mail), StringComparison.Ordinal);
        Assert.StartsWith("250 ", await SendFromAsync(server, "198.51.100.60", "junk@example.org", Mail), StringComparison.Ordinal);
        Assert.StartsWith("550 Gtube", await SendFromAsync(server, "198.51.100.90", "never@example.org", $"Subject: x\n\n{RspamdServer.Gtube}\nmore"), StringComparison.Ordinal);
        using (SmtpClient blocked = await SmtpClient.ConnectAsync(server.Port, greet: false, proxied: "198.51.100.10"))
            Assert.StartsWith("550 your IP reputation", await blocked.ReadReplyAsync(), StringComparison.Ordinal);
        // The same two programs serve a chain without a name.
        await server.AcceptAsync("local@example.org", Mail, port: server.SecondPort);

        string good = await server.ReadMailAsync("good"), junk = await server.ReadMailAsync("junk"), local = await server.ReadMailAsync("local");
        // Each adds to what the ones before it have let out.
        string[] headers = [.. good.Split('\n').Select(static line => line.Split(':')[0]).Where(static name => name is "DKIM-Signature" or "Authentication-Results" or "X-SenderScore" or "Received")];
        Assert.Equal(["DKIM-Signature", "Authentication-Results", "X-SenderScore", "Received"], headers);
        Assert.Contains("\nX-SenderScore: 60\n", junk, StringComparison.Ordinal);
        Assert.Contains("\nX-Spam: Yes\n", junk, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("\nAuthentication-Results: ", local, StringComparison.Ordinal);
        Assert.All([good, junk, local], static text => Assert.EndsWith("\n\n.\nbody\n..\n", text, StringComparison.Ordinal));
        await DkimKey.VerifyAsync(server, [.. await server.WaitForMailAsync("good"), .. await server.WaitForMailAsync("junk"), .. await server.WaitForMailAsync("local")]);
        Assert.False(Directory.Exists(server.Mail + "/never"));
    }

    [Fact]
    public async Task Each_is_killed_while_mail_comes_and_nothing_is_lost_doubled_or_unfiltered()
    {
        if (!SystemAccounts.IsRoot) return;
        await using Names names = ScoredNames();
        await using RspamdServer rspamd = await RspamdServer.StartAsync(RunningServer.FreePort());
        await using RunningServer server = await RunningServer.StartAsync(
            FilterScript.Configuration(SenderScore + Rspamd(rspamd.Port) + DkimSign, "{ \"score\", \"rspamd\", \"dkim\" }"),
            prepare: server =>
            {
                names.PrepareFor(server);
                DkimKey.Make(server);
            });
        await using Load load = new(server, 3, mailsPerSession: 10);
        await load.MoreAsync(10);
        foreach (string program in (string[])["filter-dkimsign", "filter-rspamd", "filter-senderscore", "filter-dkimsign", "filter-rspamd", "filter-senderscore"])
        {
            int[] before = FilterProcesses.Of(server, program);
            Assert.Equal(1, await FilterProcesses.KillAsync(server, program));
            await FilterProcesses.AnotherAsync(server, program, before);
            await load.MoreAsync(10);
        }

        await load.StopAsync();
        Assert.All(load.Refused, static reply => Assert.StartsWith("4", reply, StringComparison.Ordinal));
        await load.AllArrivedAsync();
        string[] mail = await server.WaitForMailAsync("you");
        Assert.All(await load.OnceAsync(), static text => Assert.Contains("\nAuthentication-Results: ", text, StringComparison.Ordinal));
        await DkimKey.VerifyAsync(server, mail);
    }

    private static Names ScoredNames()
    {
        Names names = new();
        foreach (int score in (int[])[90, 60, 10]) names.Zone.Add($"{score}.100.51.198.score.senderscore.com", "A", $"127.0.4.{score}");
        return names;
    }

    private static async Task<string> SendFromAsync(RunningServer server, string address, string to, string content = "Subject: x\n\nbody")
    {
        using SmtpClient client = await SmtpClient.ConnectAsync(server.Port, proxied: address);
        await client.SayAsync("EHLO client.example.org", "250");
        string reply = await client.SendMessageAsync("me@example.org", [to], content);
        await client.SayAsync("QUIT", "221");
        return reply;
    }

    private static async Task UntilTakenAsync(SmtpClient client, string to, string content)
    {
        using PeriodicTimer poll = new(TimeSpan.FromMilliseconds(200));
        for (int i = 0; i < 100; i++)
        {
            string reply = await client.SendMessageAsync("me@example.org", [to], content);
            if (reply.StartsWith("250 ", StringComparison.Ordinal)) return;
            Assert.StartsWith("451 Try again later", reply, StringComparison.Ordinal);
            await poll.WaitForNextTickAsync(TestContext.Current.CancellationToken);
        }

        Assert.Fail("greylisted for ever");
    }
}

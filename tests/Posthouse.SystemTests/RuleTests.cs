using Posthouse.SystemTests.Support;

namespace Posthouse.SystemTests;

/// <summary>Which rule takes a mail, and what that says to the client.</summary>
public class RuleTests
{
    private static Task<RunningServer> StartAsync(string rules, string[]? arguments = null, Action<RunningServer>? prepare = null) => RunningServer.StartAsync("""
        listen on 127.0.0.1 port {port}
        listen on 127.0.0.1 port {port2} tag SECOND
        table everybody { "@" = "{user}" }
        action "first" maildir "{mail}/first" user "{user}" virtual <everybody>
        action "second" maildir "{mail}/second" user "{user}" virtual <everybody>
        action "third" maildir "{mail}/third" user "{user}" virtual <everybody>

        """ + rules, arguments, prepare);

    [Fact]
    public async Task The_first_rule_that_matches_decides_and_none_refuses()
    {
        await using RunningServer server = await StartAsync("""
            table bad { "@spam.example", "joe@half.example" }
            match from any mail-from <bad> for any reject
            match from any for domain "one.example" action "first"
            match from any for domain { "*.two.example", "two.example" } action "second"
            match from any for rcpt-to regex "^[a-z]+[0-9]{3}@three\.example$" action "third"
            match from any for domain regex { "^re[0-9]+\.example$" } action "first"
            match from any !mail-from "ann@half.example" for domain "not.example" action "second"
            match from any helo "weird.example" for domain "helo.example" action "third"
            """);
        await server.AcceptAsync("x@one.example");
        await server.AcceptAsync("x@TWO.example");
        await server.AcceptAsync("x@very.deep.two.example");
        await server.AcceptAsync("abc123@three.example");
        await server.AcceptAsync("x@re7.example");
        await server.AcceptAsync("x@not.example");
        await server.WaitForMailAsync("first", 2);
        await server.WaitForMailAsync("second", 3);
        await server.WaitForMailAsync("third", 1);
        Assert.StartsWith("550 5.1.1 Invalid recipient: <abc12@three.example>", await server.SendAsync("abc12@three.example"), StringComparison.Ordinal);
        Assert.StartsWith("550 ", await server.SendAsync("x@one.example", from: "any@spam.example"), StringComparison.Ordinal);
        Assert.StartsWith("550 ", await server.SendAsync("x@one.example", from: "joe+tag@half.example"), StringComparison.Ordinal);
        Assert.StartsWith("550 ", await server.SendAsync("x@not.example", from: "ann@half.example"), StringComparison.Ordinal);
        Assert.StartsWith("550 ", await server.SendAsync("x@elsewhere.example"), StringComparison.Ordinal);
        Assert.StartsWith("550 ", await server.SendAsync("x@helo.example"), StringComparison.Ordinal);
        using SmtpClient client = await SmtpClient.ConnectAsync(server.Port);
        await client.SayAsync("HELO weird.example", "250");
        await client.SayAsync("MAIL FROM:<>", "250");
        await client.SayAsync("RCPT TO:<x@helo.example>", "250 2.1.5");
    }

    [Fact]
    public async Task The_tag_of_a_listener_and_the_source_count()
    {
        await using RunningServer server = await StartAsync("""
            match tag SECOND from src "127.0.0.0/8" for any action "second"
            match from src !"10.0.0.0/8" for domain "never.example" reject
            match from local for any action "first"
            """.Replace("match from src !\"10.0.0.0/8\" for domain \"never.example\" reject", "match !from src \"10.0.0.0/8\" for domain \"never.example\" reject"));
        await server.AcceptAsync("x@example.com");
        await server.WaitForMailAsync("first");
        Assert.StartsWith("550 ", await server.SendAsync("x@never.example"), StringComparison.Ordinal);
        using SmtpClient client = await SmtpClient.ConnectAsync(server.SecondPort);
        await client.SayAsync("EHLO client.example.org", "250");
        Assert.StartsWith("250 ", await client.SendMessageAsync("me@example.org", ["x@never.example"], "Subject: x\n\nbody"), StringComparison.Ordinal);
        await server.WaitForMailAsync("second");
    }

    [Fact]
    public async Task Virtual_users_by_the_order_of_the_reference()
    {
        await using RunningServer server = await RunningServer.StartAsync("""
            listen on 127.0.0.1 port {port}
            table virtuals file:{dir}/virtuals
            table people { one = "{uid}:{gid}:{dir}/mail/one", two = "{uid}:{gid}:{dir}/mail/two", three = "{uid}:{gid}:{dir}/mail/three", four = "{uid}:{gid}:{dir}/mail/four", five = "{uid}:{gid}:{dir}/mail/five", six = "{uid}:{gid}:{dir}/mail/six" }
            action "v" maildir "{mail}/%{user.username}" userbase <people> virtual <virtuals>
            match from any for domain { "a.example", "b.example" } action "v"
            match from any for domain "c.example" reject
            """, prepare: server => File.WriteAllText(server.Folder + "/virtuals", """
            joe+x@a.example one
            joe@a.example   two
            ann+x           three
            ann             four
            @a.example      five
            many@b.example  one, two, someone@a.example
            out@b.example   x@c.example
            refused@b.example :error:550 5.7.1 not here
            """));
        (string To, string Box)[] mails = [("joe+x@a.example", "one"), ("Joe+y@A.example", "two"), ("ann+x@b.example", "three"), ("ann+z@b.example", "four"), ("someone@a.example", "five")];
        foreach ((string to, string box) in mails)
        {
            await server.AcceptAsync(to, $"Subject: {to}\n\nbody");
            Assert.Contains($"Subject: {to}\n", await server.ReadMailAsync(box), StringComparison.Ordinal);
        }

        await server.AcceptAsync("many@b.example");
        foreach (string box in (string[])["one", "two", "five"]) await server.WaitForMailAsync(box, 2);
        Assert.StartsWith("524 5.2.4 Mailing list expansion problem: <nobody-here@b.example>", await server.SendAsync("nobody-here@b.example"), StringComparison.Ordinal);
        Assert.StartsWith("550 5.7.1 not here", await server.SendAsync("refused@b.example"), StringComparison.Ordinal);
        Assert.StartsWith("550 ", await server.SendAsync("out@b.example"), StringComparison.Ordinal);

        // Tables are read again on SIGHUP, without a new session.
        File.AppendAllText(server.Folder + "/virtuals", "\nnew@b.example six\n");
        int before = server.Lines.Count;
        await Tool.RunAsync("kill", "-HUP", $"{server.ProcessId}");
        await server.WaitForLogAsync("table: virtuals: 9 entries loaded", before);
        await server.WaitForLogAsync("info: reload: the new configuration is in force", before);
        await server.AcceptAsync("new@b.example");
        await server.ReadMailAsync("six");
    }

    [Fact]
    public async Task A_table_file_that_has_become_wrong_keeps_its_old_content()
    {
        await using RunningServer server = await StartAsync("""
            table people file:{dir}/people
            action "v" maildir "{mail}/%{rcpt.user}" user "{user}" virtual <people>
            match from any for any action "v"
            """, prepare: server => File.WriteAllText(server.Folder + "/people", server.Fill("joe@example.com {user}\n")));
        await File.WriteAllTextAsync(server.Folder + "/people", server.Fill("ann@example.com {user}\nmalformed\n"), TestContext.Current.CancellationToken);
        await Tool.RunAsync("kill", "-HUP", $"{server.ProcessId}");
        Assert.Contains("people:2:10", await server.WaitForLogAsync("the old configuration stays in force"), StringComparison.Ordinal);
        await server.AcceptAsync("joe@example.com");
        await server.ReadMailAsync("joe");
        Assert.StartsWith("524 ", await server.SendAsync("ann@example.com"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_database_of_makemap_is_a_table()
    {
        await using RunningServer server = await StartAsync("""
            table list db:{dir}/list.db
            action "v" maildir "{mail}/%{rcpt.user}" user "{user}" virtual <list>
            match from any for any action "v"
            """, prepare: server =>
        {
            File.WriteAllText(server.Folder + "/list", server.Fill("joe@example.com: {user}\n@other.example: {user}\n"));
            Tool made = Tool.RunAsync(SourceTree.Executable, "makemap", "-o", server.Folder + "/list.db", server.Folder + "/list").GetAwaiter().GetResult();
            Assert.True(made.ExitCode == 0, made.ToString());
        });
        await server.AcceptAsync("joe@example.com");
        await server.ReadMailAsync("joe");
        await server.AcceptAsync("any@other.example");
        await server.ReadMailAsync("any");
        Assert.StartsWith("524 ", await server.SendAsync("ann@example.com"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_rule_that_relays_is_refused_at_the_start_or_deferred_when_told()
    {
        const string Relaying = """
            action "out" relay host "smtp://127.0.0.1:1"
            match from any for domain "box.example" action "first"
            match from any for any action "out"
            """;
        Tool refused = await RunningServer.RefusedAsync("listen on 127.0.0.1 port {port}\ntable everybody { \"@\" = \"{user}\" }\naction \"first\" maildir virtual <everybody>\n" + Relaying);
        Assert.Equal(1, refused.ExitCode);
        Assert.Contains("smtpd.conf:6:", refused.Error, StringComparison.Ordinal);
        Assert.Contains("relay action \"out\"", refused.Error, StringComparison.Ordinal);
        Assert.Contains("--ignore-unsupported", refused.Error, StringComparison.Ordinal);

        await using RunningServer server = await StartAsync(Relaying, ["--ignore-unsupported"]);
        Assert.StartsWith("451 4.3.5 ", await server.SendAsync("x@far.example"), StringComparison.Ordinal);
        await server.AcceptAsync("x@box.example");
        await server.ReadMailAsync("first");
    }
}

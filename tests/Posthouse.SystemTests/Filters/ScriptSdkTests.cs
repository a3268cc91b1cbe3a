using System.Diagnostics;
using System.Globalization;
using System.Text;
using Posthouse.SystemTests.Support;

namespace Posthouse.SystemTests.Filters;

/// <summary>posthouse.py and posthouse.php, by one and the same script in each language, with messages in lines and in blocks.</summary>
public class ScriptSdkTests
{
    private static readonly string s_scripts = Path.Combine(SourceTree.Root, "tests", "Posthouse.SystemTests", "Filters", "Scripts");

    public static TheoryData<string> Languages { get; } = ["py", "php"];

    public static MatrixTheoryData<string, bool> Modes { get; } = new(["py", "php"], [false, true]);

    [Theory, MemberData(nameof(Modes))]
    public async Task Registers_what_it_needs_and_nothing_else(string language, bool bulk)
    {
        FilterAnswers phases = await RunAsync(language, "phases", new FilterDialogue(bulk).Configure());
        Assert.Equal(0, phases.ExitCode);
        Assert.Equal(["report|smtp-in|link-connect", "report|smtp-in|link-disconnect", .. Phases("connect", "helo", "ehlo", "mail-from", "rcpt-to", "data", "rset", "noop", "commit")], phases.Registered);

        string[] data = ["report|smtp-in|link-connect", "report|smtp-in|link-disconnect", "report|smtp-in|tx-rollback", .. Phases("commit", "data-line")];
        Assert.Equal([.. data, .. Bulk("bulk")], (await RunAsync(language, "message", new FilterDialogue(bulk).Configure())).Registered);
        Assert.Equal([.. data, .. Bulk("bulk-observe")], (await RunAsync(language, "observe", new FilterDialogue(bulk).Configure())).Registered);

        FilterAnswers events = await RunAsync(language, "events", new FilterDialogue(bulk).Configure());
        Assert.Equal(
            [.. Reports("link-auth", "link-connect", "link-disconnect", "link-identify", "link-tls", "tx-begin", "tx-commit", "tx-mail", "tx-rcpt", "tx-reset"), .. Phases("commit")],
            [.. events.Registered[..^1].Order(StringComparer.Ordinal), events.Registered[^1]]);

        string[] Bulk(string extension) => bulk ? ["extension|" + extension] : [];
        static IEnumerable<string> Phases(params string[] names) => names.Select(name => "filter|smtp-in|" + name);
        static IEnumerable<string> Reports(params string[] names) => names.Select(name => "report|smtp-in|" + name);
    }

    [Theory, MemberData(nameof(Languages))]
    public async Task Decisions_become_answers(string language)
    {
        FilterDialogue dialogue = new FilterDialogue().Configure().Connect("a").Connect("b", "192.0.2.9")
            .Ask("connect", "a", "1", "host.example|192.0.2.1").Ask("connect", "b", "2", "bad.example|[2001:db8::1]")
            .Ask("ehlo", "a", "3", "client.example");
        string[] senders = ["accept", "reject", "disconnect", "junk", "plain", "temporary", "forge", "rewrite", "form", "null", "", "count"];
        foreach (string sender in senders) dialogue.Ask("mail-from", "a", "4", sender);
        dialogue.Ask("data", "a", "5").Ask("quit", "a", "6").Ask("from-the-future", "a", "7", "x|y");

        FilterAnswers answers = await RunAsync(language, "phases", dialogue);

        Assert.Equal(0, answers.ExitCode);
        Assert.Equal(
            ["a|1|proceed", "b|2|reject|554 [2001:db8::1] 192.0.2.9:4711", "a|3|rewrite|CLIENT.EXAMPLE",
            "a|4|proceed", "a|4|reject|550 5.7.1 Refused", "a|4|disconnect|421 4.7.0 Goodbye", "a|4|junk", "a|4|reject|550 no thanks",
            "a|4|reject|450 4.2.0 later", "a|4|reject|550 a filter-result|b", "a|4|rewrite|<new@example.org>", "a|4|rewrite|<new@example.org> SIZE=1",
            "a|4|rewrite|<>", "a|4|proceed", "a|4|report|12", "a|5|proceed", "a|6|proceed", "a|7|proceed"], answers.Results);
        Assert.Equal("printed by 000000000000000a\n", answers.Log);
    }

    [Theory, MemberData(nameof(Languages))]
    public async Task Parameters_are_bytes_of_which_only_the_last_has_bars(string language)
    {
        string[] addresses = ["a|b@example.org", "\u00e9@example.org", "\u00ff\u0080|\u00c3\u00a9|", "", " two words ", "%s %d \\n"];
        FilterDialogue dialogue = new FilterDialogue().Configure();
        for (int i = 0; i < addresses.Length; i++) dialogue.Ask("rcpt-to", FilterDialogue.Id($"{i + 1}"), "1", addresses[i]);

        FilterAnswers answers = await RunAsync(language, "phases", dialogue);

        Assert.Equal(addresses.Select((address, i) => $"{i + 1}|1|report|<{address}>"), answers.Results);
    }

    [Theory, MemberData(nameof(Languages))]
    public async Task Sessions_have_state_of_their_own_until_they_end(string language)
    {
        FilterDialogue dialogue = new FilterDialogue().Configure().Connect("a").Connect("b");
        for (int i = 0; i < 4; i++) dialogue.Ask("rcpt-to", "a", "1", "x").Ask("rcpt-to", "b", "2", "y");
        dialogue.Report("link-disconnect", "a").Connect("a").Ask("rcpt-to", "a", "3", "x").Ask("rcpt-to", "b", "4", "y");
        // A session whose beginning was never told is a session none the less.
        dialogue.Ask("rcpt-to", "c", "5", "z").Report("link-disconnect", "d").Report("link-disconnect", "c").Ask("rcpt-to", "c", "6", "z");

        FilterAnswers answers = await RunAsync(language, "phases", dialogue);

        Assert.Equal(
            [.. Enumerable.Repeat<string[]>(["a|1|report|<x>", "b|2|report|<y>"], 3).SelectMany(pair => pair), "a|1|reject|550 5.7.1 Refused", "b|2|reject|550 5.7.1 Refused",
            "a|3|report|<x>", "b|4|reject|550 5.7.1 Refused", "c|5|report|<z>", "c|6|report|<z>"], answers.Results);
    }

    [Theory, MemberData(nameof(Languages))]
    public async Task A_handler_that_fails_fails_its_request_alone(string language)
    {
        FilterDialogue dialogue = new FilterDialogue().Configure().Ask("mail-from", "a", "1", "raise").Ask("mail-from", "a", "2", "wrong")
            .Ask("commit", "a", "3").Ask("mail-from", "a", "4", "count");

        FilterAnswers answers = await RunAsync(language, "phases", dialogue);

        Assert.Equal(0, answers.ExitCode);
        string[] failed = ["a|1|reject|451 4.3.0 Temporary failure", "a|2|reject|451 4.3.0 Temporary failure", "a|3|reject|451 4.3.0 Temporary failure"];
        Assert.Equal([.. failed, "a|4|report|3"], answers.Results);
        Assert.Contains("on purpose", answers.Log, StringComparison.Ordinal);
        Assert.Contains($"sample.{language}", answers.Log, StringComparison.Ordinal);
        Assert.Contains("a handler returns", answers.Log, StringComparison.Ordinal);
        Assert.Contains("too late for junk", answers.Log, StringComparison.Ordinal);
    }

    [Theory, MemberData(nameof(Languages))]
    public async Task A_handler_that_fails_can_end_the_filter(string language)
    {
        FilterDialogue dialogue = new FilterDialogue().Configure().Ask("mail-from", "a", "1", "count").Ask("mail-from", "a", "2", "raise").Ask("mail-from", "a", "3", "count");

        FilterAnswers answers = await RunAsync(language, "crash", dialogue);

        Assert.Equal(70, answers.ExitCode);
        Assert.Equal(["a|1|report|1"], answers.Results);
        Assert.Contains("on purpose", answers.Log, StringComparison.Ordinal);
    }

    [Theory, MemberData(nameof(Modes))]
    public async Task Lines_are_changed_one_by_one(string language, bool bulk)
    {
        string sent = "Received: x\n\tby y\nSubject: \u00ff|\u0080\n\nas it is\ndrop\ntwice\ndot\ndots\n.\n..\n.stuffed\nseveral\ntwo\ntext\n\n|||\n trailing \n";
        string received = "Received: x\n\tby y\nSubject: \u00ff|\u0080\n\nas it is\ntwice\ntwice\n.\n..x\n.\n..\n.stuffed\npart 0\npart 1\npart 2\none\ntwo\n\u00c3\u00a9\n\n|||\n trailing \n";

        FilterAnswers answers = await RunAsync(language, "lines", new FilterDialogue(bulk).Configure().Connect("a").Mail("a", sent).End("a", "e").Mail("a", "drop\n", "f"));

        Assert.Equal(0, answers.ExitCode);
        Assert.Equal(received, answers.Message("a"));
        Assert.Equal("", answers.Message("a", "e"));
        Assert.Equal("", answers.Message("a", "f"));
        Assert.Equal(["a|c|proceed", "a|c|proceed"], answers.Results);
        Assert.Equal("", answers.Log);
    }

    [Theory, MemberData(nameof(Modes))]
    public async Task A_generator_yields_lines(string language, bool bulk)
    {
        FilterAnswers answers = await RunAsync(language, "generator", new FilterDialogue(bulk).Configure().Mail("a", "A: b\n\n.x\ndrop\n"));
        Assert.Equal("A: b\n> A: b\n\n> \n.x\n> .x\n", answers.Message("a"));
    }

    [Theory, MemberData(nameof(Modes))]
    public async Task Header_and_body_can_have_handlers_of_their_own(string language, bool bulk)
    {
        FilterDialogue dialogue = new FilterDialogue(bulk).Configure().Mail("a", "From: me\nTo: you\n\nabc\n\ndef\n").Mail("b", "only: header\n").Mail("c", "\nbody\n");

        FilterAnswers answers = await RunAsync(language, "parts", dialogue);

        Assert.Equal("FROM: ME\nTO: YOU\n\ncba\n\nfed\n", answers.Message("a"));
        Assert.Equal("ONLY: HEADER\n", answers.Message("b"));
        Assert.Equal("\nydob\n", answers.Message("c"));
    }

    [Theory, MemberData(nameof(Modes))]
    public async Task Messages_of_several_sessions_come_in_pieces_at_once(string language, bool bulk)
    {
        FilterDialogue dialogue = new FilterDialogue(bulk).Configure().Send("a", "1", "From: a\n").Send("b", "2", "From: b\n\n").Send("a", "1", "\nabc\n.x\n")
            .Report("protocol-client", "a", "x").Send("b", "2", "y\n").End("b", "2").Ask("commit", "b", "3").Send("a", "1", "last\n").End("a", "1").Ask("commit", "a", "4");

        FilterAnswers answers = await RunAsync(language, "parts", dialogue);

        Assert.Equal("FROM: A\n\ncba\nx.\ntsal\n", answers.Message("a", "1"));
        Assert.Equal("FROM: B\n\ny\n", answers.Message("b", "2"));
        Assert.Equal(["b|3|proceed", "a|4|proceed"], answers.Results);
    }

    [Theory, MemberData(nameof(Languages))]
    public async Task Blocks_end_anywhere(string language)
    {
        const string Message = "From: me\r\nTo: you\r\n\r\n.abc\r\n\r\ndef\r\n";
        FilterDialogue dialogue = new FilterDialogue(bulk: true).Configure();
        for (int i = 1; i < Message.Length; i++)
            dialogue.SendBlock(FilterDialogue.Id($"{i:x}"), "d", Message[..i]).SendBlock($"{i:x}", "d", Message[i..]).SendBlock($"{i:x}", "d", "");
        foreach (char letter in Message) dialogue.SendBlock("fff", "d", letter.ToString());
        dialogue.SendBlock("fff", "d", "");
        // Whatever the block looks like, it is not the protocol.
        dialogue.SendBlock("aaa", "d", "filter|0.7|1|smtp-in|commit|000000000000000a|0000000000000001|\r\n").SendBlock("aaa", "d", "");

        FilterAnswers answers = await RunAsync(language, "parts", dialogue);

        for (int i = 1; i < Message.Length; i++) Assert.Equal("FROM: ME\nTO: YOU\n\ncba.\n\nfed\n", answers.Message($"{i:x}"));
        Assert.Equal("FROM: ME\nTO: YOU\n\ncba.\n\nfed\n", answers.Message("fff"));
        Assert.StartsWith("FILTER|0.7|", answers.Message("aaa"), StringComparison.Ordinal);
        Assert.Empty(answers.Results);
    }

    [Theory, MemberData(nameof(Modes))]
    public async Task A_line_can_refuse_its_message(string language, bool bulk)
    {
        FilterDialogue dialogue = new FilterDialogue(bulk).Configure().Mail("a", "A: b\n\nrefuse\ntwice\n", "1").Mail("a", "fine\n", "2").Mail("a", "x\nraise\ndrop\n", "3").Mail("a", "drop\n", "4");

        FilterAnswers answers = await RunAsync(language, "lines", dialogue);

        Assert.Equal(["a|c|reject|550 5.7.1 a line", "a|c|proceed", "a|c|reject|451 4.3.0 Temporary failure", "a|c|proceed"], answers.Results);
        Assert.Equal("A: b\n\nrefuse\ntwice\ntwice\n", answers.Message("a", "1"));
        Assert.EndsWith("raise\ndrop\n", answers.Message("a", "3"), StringComparison.Ordinal);
        Assert.Equal("", answers.Message("a", "4"));
        Assert.Contains("on purpose", answers.Log, StringComparison.Ordinal);
    }

    [Theory, MemberData(nameof(Modes))]
    public async Task A_message_is_changed_as_a_whole(string language, bool bulk)
    {
        FilterDialogue dialogue = new FilterDialogue(bulk).Configure().Mail("a", "Subject: \u00fe\n\n.x\n", "1").Mail("a", "same\n.\n", "2").Mail("a", "junk\n\n", "3")
            .End("a", "4").Mail("a", "nothing\n", "5").Mail("a", "text\n", "6");

        FilterAnswers answers = await RunAsync(language, "message", dialogue);

        Assert.Equal("Subject: \u00fe\n\n.x\n.\nno end\n", answers.Message("a", "1"));
        Assert.Equal("same\n.\n", answers.Message("a", "2"));
        Assert.Equal("X-Spam: Yes\njunk\n\n", answers.Message("a", "3"));
        Assert.Equal("", answers.Message("a", "4"));
        Assert.Equal("", answers.Message("a", "5"));
        Assert.Equal("\u00c3\u00a9\n", answers.Message("a", "6"));
        Assert.All(answers.Results, result => Assert.Equal("a|c|proceed", result));
    }

    [Theory, MemberData(nameof(Modes))]
    public async Task A_message_can_be_refused(string language, bool bulk)
    {
        FilterDialogue dialogue = new FilterDialogue(bulk).Configure().Mail("a", "refuse\n", "1").Mail("a", "same\n", "2").Mail("a", "raise\n", "3").Mail("a", "wrong\n", "4").Mail("a", "same\n", "5");

        FilterAnswers answers = await RunAsync(language, "message", dialogue);

        const string Failed = "a|c|reject|451 4.3.0 Temporary failure";
        Assert.Equal(["a|c|reject|550 5.7.1 a message", "a|c|proceed", Failed, Failed, "a|c|proceed"], answers.Results);
        Assert.Equal("refuse\n", answers.Message("a", "1"));
    }

    [Theory, MemberData(nameof(Modes))]
    public async Task An_observer_sees_what_goes_on_meanwhile(string language, bool bulk)
    {
        FilterDialogue dialogue = new FilterDialogue(bulk).Configure().Mail("a", ".x\nrefuse\n", "1").Mail("a", "fine\n", "2").Mail("a", "raise\n", "3").End("a", "4").Ask("commit", "a", "5");

        FilterAnswers answers = await RunAsync(language, "observe", dialogue);

        Assert.Equal(["a|c|reject|550 12 bytes", "a|c|proceed", "a|c|reject|451 4.3.0 Temporary failure", "a|5|proceed"], answers.Results);
        if (bulk) Assert.Equal("", answers.Data.ToString());
        else Assert.Equal((".x\nrefuse\n", "fine\n", ""), (answers.Message("a", "1"), answers.Message("a", "2"), answers.Message("a", "4")));
    }

    [Theory, MemberData(nameof(Modes))]
    public async Task A_message_that_ends_before_its_end_is_forgotten(string language, bool bulk)
    {
        FilterDialogue dialogue = new FilterDialogue(bulk).Configure().Send("a", "1", "refuse\n").Report("tx-rollback", "a", "12345678").Send("a", "1", "x\n").End("a", "1").Ask("commit", "a", "2")
            .Send("b", "1", "refuse\n").Report("link-disconnect", "b").Connect("b").Send("b", "1", "y\n").End("b", "1").Ask("commit", "b", "2")
            // A token of its own is a message of its own, even where nobody said that the one before is gone.
            .Send("c", "1", "refuse\n").Send("c", "2", "z\n").End("c", "2").Ask("commit", "c", "2")
            .Send("d", "1", "refuse\n").End("d", "1").Report("tx-rollback", "d", "12345678").Ask("commit", "d", "2")
            .Send("e", "1", "never ended\n");

        FilterAnswers answers = await RunAsync(language, "message", dialogue);

        Assert.Equal(0, answers.ExitCode);
        Assert.Equal(["a|2|proceed", "b|2|proceed", "c|2|proceed", "d|2|proceed"], answers.Results);
        Assert.Equal(("x\n.\nno end\n", "y\n.\nno end\n", "z\n.\nno end\n"), (answers.Message("a", "1"), answers.Message("b", "1"), answers.Message("c", "2")));
        Assert.False(answers.HasMessage("c", "1"));
        Assert.False(answers.HasMessage("e", "1"));
    }

    [Theory, MemberData(nameof(Modes))]
    public async Task Large_messages_go_through_in_lines_of_any_length(string language, bool bulk)
    {
        StringBuilder text = new("From: me\n\n");
        Random random = new(7);
        while (text.Length < 3_000_000)
            text.Append(random.Next(20) == 0 ? "." : "").Append((char)random.Next(128, 256), random.Next(9) == 0 ? random.Next(30_000) : random.Next(100)).Append('\n');
        string message = text.ToString();

        FilterAnswers lines = await RunAsync(language, "lines", Pieces("a"));
        FilterAnswers whole = await RunAsync(language, "message", Pieces("a"));

        Assert.Equal(message, lines.Message("a"));
        Assert.Equal(message + ".\nno end\n", whole.Message("a"));
        Assert.Equal(["a|c|proceed"], lines.Results);

        FilterDialogue Pieces(string session)
        {
            FilterDialogue dialogue = new FilterDialogue(bulk).Configure();
            if (!bulk) return dialogue.Mail(session, message);
            string wire = message.Replace("\n", "\r\n", StringComparison.Ordinal);
            for (int start = 0; start < wire.Length; start += 65536) dialogue.SendBlock(session, "d", wire.Substring(start, Math.Min(65536, wire.Length - start)));
            return dialogue.End(session, "d").Ask("commit", session, "c");
        }
    }

    [Theory, MemberData(nameof(Languages))]
    public async Task Sessions_know_what_was_reported(string language)
    {
        FilterDialogue dialogue = new FilterDialogue().Configure("config|replay-until|1700000000.250000")
            .Report("link-connect", "a", "<unknown>|fail|[2001:db8::1]:4711|[2001:db8::2]:25", time: "1700000000.250000").Connect("b").Report("link-connect", "e", "l|pass|unix:/run/x|unix:/run/x")
            .Report("link-identify", "a", "EHLO|client|x").Report("link-tls", "a", "TLSv1.3:TLS_AES_256_GCM_SHA384:256").Report("link-auth", "a", "fail|other").Report("link-auth", "a", "pass|me|too")
            .Report("tx-begin", "a", "12345678").Report("tx-mail", "a", "12345678|ok|me|x@example.org").Report("tx-rcpt", "a", "12345678|permfail|no@example.org")
            .Report("tx-rcpt", "a", "12345678|ok|you@example.org").Report("tx-rcpt", "a", "12345678|ok|and|you@example.org").Report("tx-unheard-of", "a", "x|y").Report("tx-unheard-of", "a")
            .Ask("commit", "a", "1").Ask("commit", "b", "2").Report("tx-commit", "a", "12345678|666").Report("tx-commit", "a", "12345678|667").Report("tx-reset", "a", "12345678")
            .Ask("commit", "a", "3").Ask("commit", "e", "4").Report("link-disconnect", "a");

        FilterAnswers answers = await RunAsync(language, "events", dialogue);

        const string Known = "<unknown>|fail|[2001:db8::1]:4711|[2001:db8::2]:25|2001:db8::1|client|x|TLSv1.3:TLS_AES_256_GCM_SHA384:256|me|too|";
        Assert.Equal(
            ["a|1|reject|550 " + Known + "12345678|me|x@example.org|you@example.org,and|you@example.org|True",
            "b|2|reject|550 host.example|pass|192.0.2.1:4711|192.0.2.2:25|192.0.2.1|None|None|None|None|None||False",
            "a|3|reject|550 " + Known + "None|None||True", "e|4|reject|550 l|pass|unix:/run/x|unix:/run/x|None|None|None|None|None|None||False"], answers.Results);
        string[] told = [.. answers.Log.Split('\n').Where(line => line.Contains("|smtp-in|", StringComparison.Ordinal))];
        Assert.Equal(
            ["link-auth|smtp-in|False|fail|other", "link-auth|smtp-in|False|pass|me|too", "tx-mail|smtp-in|False|12345678|ok|me|x@example.org", "tx-rcpt|smtp-in|False|12345678|permfail|no@example.org",
            "tx-rcpt|smtp-in|False|12345678|ok|you@example.org", "tx-rcpt|smtp-in|False|12345678|ok|and|you@example.org", "tx-commit|smtp-in|False|12345678|667", "link-disconnect|smtp-in|False"], told);
        Assert.Contains("on purpose", answers.Log, StringComparison.Ordinal);
    }

    [Theory, MemberData(nameof(Languages))]
    public async Task What_is_replayed_says_so(string language)
    {
        FilterAnswers answers = await RunAsync(language, "events", new FilterDialogue().Configure("config|replay-until|1700000000.250000")
            .Report("tx-rcpt", "a", "12345678|ok|old@example.org", time: "999999999.999999").Report("tx-rcpt", "a", "12345678|ok|new@example.org", time: "1700000000.250001"));
        Assert.Equal("tx-rcpt|smtp-in|True|12345678|ok|old@example.org\ntx-rcpt|smtp-in|False|12345678|ok|new@example.org\n", answers.Log);
    }

    [Theory, MemberData(nameof(Languages))]
    public async Task A_property_that_nobody_asked_for_says_how_to(string language)
    {
        FilterAnswers answers = await RunAsync(language, "bare", new FilterDialogue().Configure().Connect("a").Ask("mail-from", "a", "1", "x"));
        Assert.Equal(["a|1|reject|451 4.3.0 Temporary failure"], answers.Results);
        Assert.Contains("needs('helo')", answers.Log, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("py", "0.4"), InlineData("py", "0.5"), InlineData("py", "0.6"), InlineData("py", "0.7"), InlineData("py", "0.10")]
    [InlineData("php", "0.4"), InlineData("php", "0.5"), InlineData("php", "0.6"), InlineData("php", "0.7"), InlineData("php", "0.10")]
    public async Task Older_servers_have_their_order_of_fields(string language, string version)
    {
        int minor = int.Parse(version.Split('.')[1], CultureInfo.InvariantCulture);
        FilterDialogue dialogue = new FilterDialogue { Version = version }.Configure().Report("link-auth", "a", minor < 7 ? "me|pass" : "pass|me")
            .Report("tx-mail", "a", minor < 6 ? "12345678|a|b@example.org|ok" : "12345678|ok|a|b@example.org").Ask("commit", "a", "1");

        FilterAnswers answers = await RunAsync(language, "events", dialogue);

        Assert.Equal("link-auth|smtp-in|False|pass|me\ntx-mail|smtp-in|False|12345678|ok|a|b@example.org\n", answers.Log);
        Assert.StartsWith(minor < 5 ? "1|a|reject|550 " : "a|1|reject|550 ", Assert.Single(answers.Results), StringComparison.Ordinal);
        Assert.Contains("|me|None|a|b@example.org|", answers.Results[0], StringComparison.Ordinal);

        string end = minor < 6 ? "\r" : "";
        FilterAnswers data = await RunAsync(language, "parts", new FilterDialogue { Version = version }.Configure()
            .Ask("data-line", "a", "1", "a: b" + end).Ask("data-line", "a", "1", end).Ask("data-line", "a", "1", "cd" + end).Ask("data-line", "a", "1", "."));
        Assert.Equal("A: B\n\ndc\n", minor < 5 ? data.Message("1", "a") : data.Message("a", "1"));
    }

    [Theory, MemberData(nameof(Languages))]
    public async Task Answers_come_as_soon_as_they_are_known(string language)
    {
        using Process process = Start(language, "parts");
        using CancellationTokenSource deadline = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        deadline.CancelAfter(TimeSpan.FromSeconds(60));
        FilterDialogue talk = new FilterDialogue().Configure();
        int said = 0;
        await SayAsync();
        while (await process.StandardOutput.ReadLineAsync(deadline.Token) is { } line && line != "register|ready") Assert.StartsWith("register|", line, StringComparison.Ordinal);

        talk.Send("a", "1", "a: b\n");
        await SayAsync();
        Assert.Equal("filter-dataline|000000000000000a|0000000000000001|A: B", await process.StandardOutput.ReadLineAsync(deadline.Token));
        // Half of a line waits for its other half, and holds up nothing that is whole.
        talk.Ask("commit", "b", "2").Raw("filter|0.7|1|smtp-in|data-line|000000000000000a|0000000000000001|x");
        await SayAsync();
        Assert.Equal("filter-result|000000000000000b|0000000000000002|proceed", await process.StandardOutput.ReadLineAsync(deadline.Token));
        talk.Raw(": y\n");
        await SayAsync();
        Assert.Equal("filter-dataline|000000000000000a|0000000000000001|X: Y", await process.StandardOutput.ReadLineAsync(deadline.Token));
        process.StandardInput.Close();
        Assert.Null(await process.StandardOutput.ReadLineAsync(deadline.Token));
        await process.WaitForExitAsync(deadline.Token);
        Assert.Equal(0, process.ExitCode);

        async Task SayAsync()
        {
            await process.StandardInput.WriteAsync(talk.Input.AsMemory(said), deadline.Token);
            await process.StandardInput.FlushAsync(deadline.Token);
            said = talk.Input.Length;
        }
    }

    [Theory, MemberData(nameof(Modes))]
    public async Task Input_and_output_may_be_one_socket(string language, bool bulk)
    {
        FilterDialogue dialogue = new FilterDialogue(bulk).Configure();
        string line = new string('x', 70) + "\n";
        for (int i = 1; i <= 100; i++) dialogue.Mail($"{i:x}", string.Concat(Enumerable.Repeat(line, 300)));

        FilterAnswers answers = await dialogue.WithAsync("python3", Path.Combine(s_scripts, "over-socket.py"), Interpreter(language), Path.Combine(s_scripts, "sample." + language), "message");

        Assert.Equal((0, "", 100), (answers.ExitCode, answers.Log, answers.Results.Count));
        Assert.Equal(string.Concat(Enumerable.Repeat(line, 300)) + ".\nno end\n", answers.Message("64"));
    }

    [Theory, MemberData(nameof(Languages))]
    public async Task An_end_before_the_beginning_is_no_error(string language)
    {
        FilterAnswers answers = await RunAsync(language, "lines", new FilterDialogue().Raw("config|protocol|0.7\nconfig|rea"));
        Assert.Equal((0, "", 0), (answers.ExitCode, answers.Log, answers.Registered.Count));
    }

    private static string Interpreter(string language) => language == "py" ? "python3" : "php";

    private static Task<FilterAnswers> RunAsync(string language, string what, FilterDialogue dialogue) =>
        dialogue.WithAsync(Interpreter(language), Path.Combine(s_scripts, "sample." + language), what);

    private static Process Start(string language, string what) =>
        Process.Start(new ProcessStartInfo(Interpreter(language), [Path.Combine(s_scripts, "sample." + language), what]) { RedirectStandardInput = true, RedirectStandardOutput = true })
        ?? throw new InvalidOperationException($"{Interpreter(language)} did not start");
}

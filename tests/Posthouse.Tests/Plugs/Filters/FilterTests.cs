using System.Collections.Concurrent;
using Posthouse.Plugs.Filters;
using Posthouse.Plugs.Testing;

namespace Posthouse.Tests.Plugs.Filters;

/// <summary>Requests and events of filters written on the SDK, over real pipes.</summary>
public class FilterTests
{
    private sealed class Memory
    {
        public List<string> Seen { get; } = [];
    }

    [Fact]
    public async Task Registers_just_what_has_a_handler()
    {
        Filter filter = new();
        filter.OnConnect((_, _) => Verdict.Proceed);
        filter.OnHelo((_, _) => Verdict.Proceed);
        filter.OnTransactionCommit((_, _) => { });
        await using FilterHarness harness = await FilterHarness.StartAsync(filter, new() { OffersBulk = true });
        Assert.Equal(
            ["report|smtp-in|link-connect", "report|smtp-in|link-disconnect", "report|smtp-in|tx-commit", "filter|smtp-in|connect", "filter|smtp-in|helo", "filter|smtp-in|ehlo"],
            harness.Registrations);
        Assert.Equal("mail.example.org", filter.Settings["admd"]);
    }

    [Theory]
    [InlineData(false, "report|smtp-in|link-connect", "report|smtp-in|link-disconnect", "report|smtp-in|tx-reset", "filter|smtp-in|commit", "filter|smtp-in|data-line")]
    [InlineData(true, "report|smtp-in|link-connect", "report|smtp-in|link-disconnect", "report|smtp-in|tx-reset", "filter|smtp-in|commit", "filter|smtp-in|data-line", "extension|bulk")]
    public async Task A_handler_of_lines_registers_what_its_safety_needs(bool bulk, params string[] expected)
    {
        Filter filter = new();
        filter.OnLine((_, line, output) => output.Write(line));
        await using FilterHarness harness = await FilterHarness.StartAsync(filter, new() { OffersBulk = bulk });
        Assert.Equal(expected, harness.Registrations);
    }

    [Fact]
    public async Task Each_verdict_reaches_the_server()
    {
        Filter filter = new();
        filter.OnConnect((_, connect) => connect switch
        {
            { ReverseName: null, Address: not null } => Verdict.Reject("550 5.7.1 no name"),
            { Address: null } => Verdict.Report("a local one"),
            _ => connect.Address!.ToString() == "2001:db8::1" ? Verdict.Disconnect("421 4.3.2 Not now") : Verdict.Proceed,
        });
        filter.OnHelo((_, name) => Verdict.Rewrite(name + ".example.org"));
        filter.OnSender((_, address) => address.Length == 0 ? Verdict.Proceed : Verdict.Rewrite("a@example.org"));
        filter.OnRecipient(async (_, address) =>
        {
            await Task.Yield();
            return address.StartsWith("spam", StringComparison.Ordinal) ? Verdict.Junk : Verdict.Rewrite($"<{address}> NOTIFY=NEVER");
        });
        await using FilterHarness harness = await FilterHarness.StartAsync(filter);
        Assert.Equal(Verdict.Reject("550 5.7.1 no name"), await harness.NewSession().ConnectAsync(null));
        Assert.Equal(Verdict.Disconnect("421 4.3.2 Not now"), await harness.NewSession().ConnectAsync("a.example", "2001:db8::1"));
        Assert.Equal(Verdict.Report("a local one"), await harness.NewSession().AskAsync("connect", "<unknown>|local"));
        FilterHarnessSession session = harness.NewSession();
        Assert.Equal(Verdict.Proceed, await session.ConnectAsync());
        Assert.Equal(Verdict.Rewrite("x.example.org"), await session.HeloAsync("x"));
        Assert.Equal(Verdict.Rewrite("<a@example.org>"), await session.MailAsync("b@example.org"));
        Assert.Equal(Verdict.Proceed, await session.MailAsync(""));
        Assert.Equal(Verdict.Junk, await session.RcptAsync("spam@example.org"));
        Assert.Equal(Verdict.Rewrite("<b|c@example.org> NOTIFY=NEVER"), await session.RcptAsync("b|c@example.org"));
        Assert.Empty(harness.Strays);
    }

    [Fact]
    public void A_verdict_cannot_break_the_line()
    {
        Assert.Equal("550 no  filter-result|x", Verdict.Reject("550 no\r\nfilter-result|x").Parameter);
        foreach (string reply in (string[])["", "no", "250 yes", "550", "550-x y", "5x0 no"]) Assert.Throws<ArgumentException>(() => Verdict.Reject(reply));
    }

    [Fact]
    public async Task An_asynchronous_handler_holds_its_own_session_only()
    {
        Filter<Memory> filter = new();
        TaskCompletionSource gate = new(TaskCreationOptions.RunContinuationsAsynchronously);
        filter.OnRecipient(async (session, address) =>
        {
            if (address == "slow@example.org") await gate.Task;
            session.State.Seen.Add(address);
            return Verdict.Proceed;
        });
        filter.OnTransactionRecipient((session, report) => session.State.Seen.Add("told " + report.Address));
        filter.OnQuit(session => Verdict.Report(string.Join(' ', session.State.Seen)));
        await using FilterHarness harness = await FilterHarness.StartAsync(filter);
        FilterHarnessSession slow = await harness.ConnectAsync(), fast = await harness.ConnectAsync();
        Task<Verdict> first = slow.AskAsync("rcpt-to", "slow@example.org");
        await slow.ReportAsync("tx-rcpt", "00000001|ok|slow@example.org");
        Task<Verdict> second = slow.AskAsync("rcpt-to", "second@example.org");
        Assert.Equal(Verdict.Proceed, await fast.RcptAsync("fast@example.org"));
        Assert.Equal("fast@example.org told fast@example.org", (await fast.QuitAsync()).Parameter);
        Assert.False(first.IsCompleted || second.IsCompleted);
        gate.SetResult();
        await first;
        await second;
        Assert.Equal("slow@example.org told slow@example.org second@example.org", (await slow.QuitAsync()).Parameter);
    }

    [Fact]
    public async Task Many_sessions_at_once_each_keep_their_own_state()
    {
        Filter<Memory> filter = new();
        filter.OnRecipient(async (session, address) =>
        {
            await Task.Yield();
            session.State.Seen.Add(address);
            return Verdict.Proceed;
        });
        filter.OnQuit(session => Verdict.Report(string.Join(' ', session.State.Seen)));
        await using FilterHarness harness = await FilterHarness.StartAsync(filter);
        await Task.WhenAll(Enumerable.Range(0, 50).Select(async i =>
        {
            FilterHarnessSession session = await harness.ConnectAsync();
            for (int j = 0; j < 10; j++) Assert.Equal(Verdict.Proceed, await session.AskAsync("rcpt-to", $"{i}.{j}"));
            Assert.Equal(string.Join(' ', Enumerable.Range(0, 10).Select(j => $"{i}.{j}")), (await session.QuitAsync()).Parameter);
        }));
    }

    [Fact]
    public async Task A_handler_that_throws_costs_one_temporary_failure()
    {
        StringWriter log = new();
        Filter filter = new() { Log = log };
        filter.OnSender((_, address) => address.Length > 0 ? throw new InvalidOperationException("the first bug") : Verdict.Proceed);
        filter.OnRecipient(async (_, _) =>
        {
            await Task.Yield();
            throw new InvalidOperationException("the second bug");
        });
        filter.OnCommit(_ => Verdict.Junk);
        filter.OnGreeted((_, _) => throw new InvalidOperationException("the third bug"));
        await using FilterHarness harness = await FilterHarness.StartAsync(filter);
        FilterHarnessSession session = await harness.ConnectAsync();
        Assert.Equal(Verdict.Reject("451 4.3.0 Temporary failure of a mail filter"), await session.MailAsync("a@example.org"));
        Assert.Equal(Verdict.TryLater, await session.RcptAsync("a@example.org"));
        Assert.Equal(Verdict.TryLater, await session.CommitAsync());
        Assert.Equal(Verdict.Proceed, await session.MailAsync(""));
        foreach (string text in (string[])["first bug", "second bug", "third bug", "too late for junk", session.Id]) Assert.Contains(text, log.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Events_are_typed_and_replayed_ones_marked()
    {
        ConcurrentQueue<string> seen = new();
        Filter filter = new();
        DateTimeOffset now = DateTimeOffset.FromUnixTimeMilliseconds(1_700_000_000_123);
        filter.OnSessionBegin((session, report) => seen.Enqueue($"{report.ReverseName} {report.IsConfirmed} {session.Address} {session.Destination} {report.IsReplayed} {session.IsReplayed} {report.Time == now}"));
        filter.OnIdentified((_, report) => seen.Enqueue($"{report.Kind} {report.Value}"));
        filter.OnAuthenticated((_, report) => seen.Enqueue($"{report.Kind} {report.Value}"));
        filter.OnTransactionSender((_, report) => seen.Enqueue($"{report.MessageId} {report.Result} {report.Address}"));
        filter.OnTransactionEnvelope((_, report) => seen.Enqueue($"{report.EnvelopeId}"));
        filter.OnTransactionCommit((_, report) => seen.Enqueue($"{report.MessageId} {report.Size}"));
        filter.OnReport("protocol-client", (_, report) => seen.Enqueue(report.Text));
        filter.OnSessionEnd(async (_, _) =>
        {
            await Task.Yield();
            seen.Enqueue("end");
        });
        filter.OnQuit(_ => Verdict.Proceed);
        await using (FilterHarness harness = await FilterHarness.StartAsync(filter, new() { ReplayUntil = now, Time = now }))
        {
            FilterHarnessSession session = await harness.ConnectAsync(address: "2001:db8::7");
            await session.ReportAsync("link-auth", "pass|joe|x");
            await session.ReportAsync("protocol-client", "MAIL FROM:<a|b@example.org>");
            await session.SendAsync("x\n"u8.ToArray(), "a|b@example.org");
            await session.QuitAsync();
        }

        Assert.Equal(
            ["client.example.org True 2001:db8::7 198.51.100.1:25 True True True", "EHLO client.example.org", "pass joe|x", "MAIL FROM:<a|b@example.org>",
             "0e55a601 ok a|b@example.org", "0e55a60100000001", "0e55a601 3", "end"],
            seen);
    }

    [Theory]
    [InlineData("0.4", "1 joe|x pass", "a|b@example.org ok")]
    [InlineData("0.5", "1 joe|x pass", "a|b@example.org ok")]
    [InlineData("0.6", "1 joe|x pass", "a|b@example.org ok")]
    [InlineData("0.7", "1 joe|x pass", "a|b@example.org ok")]
    public async Task Older_servers_have_their_fields_in_another_order(string version, string auth, string mail)
    {
        ConcurrentQueue<string> seen = new();
        Filter filter = new();
        filter.OnAuthenticated((_, report) => seen.Enqueue($"1 {report.Value} {report.Kind}"));
        filter.OnTransactionSender((_, report) => seen.Enqueue($"{report.Address} {report.Result}"));
        filter.OnSender((_, _) => Verdict.Proceed);
        filter.OnMessage((_, _) => MessageResult.Prepend("X: y\r\n"u8));
        await using FilterHarness harness = await FilterHarness.StartAsync(filter, new() { Version = version });
        FilterHarnessSession session = await harness.ConnectAsync();
        await session.ReportAsync("link-auth", version == "0.7" ? "pass|joe|x" : "joe|x|pass");
        FilterMail sent = await session.SendAsync("a: b\n\n.c\n"u8.ToArray(), "a|b@example.org");
        Assert.Equal((Verdict.Proceed, "X: y\r\na: b\r\n\r\n.c\r\n"), (sent.Verdict, System.Text.Encoding.ASCII.GetString(sent.Content!)));
        Assert.Equal([auth, mail], seen);
        Assert.Empty(harness.Strays);
    }

    [Fact]
    public async Task Ends_with_zero_at_end_of_input_with_what_runs_brought_to_its_end()
    {
        TaskCompletionSource gate = new(TaskCreationOptions.RunContinuationsAsynchronously), entered = new(TaskCreationOptions.RunContinuationsAsynchronously);
        Filter filter = new();
        filter.OnRecipient(async (_, _) =>
        {
            entered.SetResult();
            await gate.Task;
            return Verdict.Proceed;
        });
        FilterHarness harness = await FilterHarness.StartAsync(filter);
        Task<Verdict> answer = (await harness.ConnectAsync()).RcptAsync("a@example.org");
        await entered.Task;
        ValueTask ended = harness.DisposeAsync();
        gate.SetResult();
        await ended;
        Assert.Equal(0, await harness.Exit);
        Assert.True(answer.IsCompleted || await Task.WhenAny(answer, Task.Delay(TimeSpan.FromSeconds(30))) == answer);
    }

    [Fact]
    public async Task Lines_of_no_protocol_are_logged_and_passed_over()
    {
        StringWriter log = new();
        Filter filter = new() { Log = log };
        filter.OnSender((_, _) => Verdict.Proceed);
        await using FilterHarness harness = await FilterHarness.StartAsync(filter);
        foreach (string line in (string[])["", "what|is|this", "filter|0.7|1.0|smtp-in|mail-from|xyz|1|a", "report|0.7", "config|unknown-key|x", "config|ready"])
            await harness.WriteLineAsync(line);
        Assert.Equal(Verdict.Proceed, await (await harness.ConnectAsync()).AskAsync("mail-from", "a@example.org"));
        Assert.Equal(Verdict.Proceed, await (await harness.ConnectAsync()).AskAsync("mail-from", ""));
        Assert.Contains("what", log.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_second_handler_of_the_same_and_observers_with_others_are_refused()
    {
        Filter filter = new();
        filter.OnObserve((_, _) => Verdict.Proceed);
        Assert.Throws<InvalidOperationException>(() => filter.OnObserve((_, _) => Verdict.Proceed));
        Assert.Throws<InvalidOperationException>(() => filter.OnLine((_, _, _) => { }));
        Assert.Throws<InvalidOperationException>(() => filter.OnHeader("Subject", (_, _) => HeaderEdit.Keep));
        filter.OnData(_ => Verdict.Proceed);
        Assert.Throws<InvalidOperationException>(() => filter.OnData(_ => Verdict.Proceed));
    }
}

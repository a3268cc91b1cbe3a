using Microsoft.Extensions.Time.Testing;
using Posthouse.Server.Configuration;
using Posthouse.Server.Filtering;
using Posthouse.Server.Model;
using Posthouse.Wire;

namespace Posthouse.Tests.Filtering;

/// <summary>The lines of messages through one filter and through several, which die in the middle of it.</summary>
public sealed class MessageFilteringTests
{
    private const string Content = "Subject: x\r\n\r\n.dot\r\n..two\r\n\r\nlast | \u00e9\r\n";

    private static readonly string[] s_lines = ["Subject: x", "", "..dot", "...two", "", "last | \u00e9"];

    [Fact]
    public async Task Lines_go_through_with_their_dots_stuffed()
    {
        (FilterRig rig, FilterSide filter) = await FilterRig.StartAsync(["filter|smtp-in|data-line"]);
        await using (rig)
        {
            Task<(string Output, SmtpReply? Refusal)> sending = FilterRig.SendAsync(rig.Begin(), Content);
            (string id, string token, string[] lines) = await filter.MessageAsync();
            Assert.Equal(s_lines, lines);
            await filter.SayAsync([.. lines.Select(line => $"filter-dataline|{id}|{token}|{line}"), $"filter-dataline|{id}|{token}|."]);
            Assert.Equal((Content, null), await sending);
        }
    }

    [Fact]
    public async Task What_a_filter_makes_of_a_message_is_what_comes_out()
    {
        (FilterRig rig, FilterSide filter) = await FilterRig.StartAsync(["filter|smtp-in|data-line"]);
        await using (rig)
        {
            Task<(string Output, SmtpReply? Refusal)> sending = FilterRig.SendAsync(rig.Begin(), Content);
            (string id, string token, _) = await filter.MessageAsync();
            await filter.SayRawAsync($"filter-dataline|{id}|{token}|X-New: 1\r\nfilter-dataline|{id}|{token}|\nfilter-dataline|{id}|{token}|..\n");
            await filter.SayRawAsync($"filter-dataline|{id}|");
            await filter.SayRawAsync($"{token}|.\n");
            Assert.Equal(("X-New: 1\r\n\r\n.\r\n", null), await sending);
        }
    }

    [Fact]
    public async Task Filters_work_at_the_same_time_each_on_what_the_one_before_let_out()
    {
        await using FilterRig rig = await FilterRig.CreateAsync(["a", "b"]);
        FilterSide a = await (await rig.Played.NextAsync("a")).RegisterAsync("filter|smtp-in|data-line"), b = await (await rig.Played.NextAsync("b")).RegisterAsync("filter|smtp-in|data-line");
        await rig.ReadyAsync();
        SessionFilters session = rig.Begin();
        List<string> output = [];
        MessageFiltering filtering = session.BeginMessage(block =>
        {
            output.Add(System.Text.Encoding.Latin1.GetString(block.Span));
            return default;
        })!;
        await filtering.WriteAsync("one\r\ntw"u8.ToArray());
        (string id, string tokenA, string line) = await a.AskedAsync("data-line");
        Assert.Equal("one", line);
        await a.SayAsync($"filter-dataline|{id}|{tokenA}|ONE");
        // The message has not ended yet, and the second filter has the first line already.
        (_, string tokenB, line) = await b.AskedAsync("data-line");
        Assert.Equal("ONE", line);
        Assert.NotEqual(tokenA, tokenB);
        await filtering.WriteAsync("o\r\n"u8.ToArray());
        Task<SmtpReply?> completing = filtering.CompleteAsync().AsTask();
        Assert.Equal("two", (await a.AskedAsync("data-line")).Parameters);
        Assert.Equal(".", (await a.AskedAsync("data-line")).Parameters);
        await a.SayAsync($"filter-dataline|{id}|{tokenA}|.");
        Assert.Equal(".", (await b.AskedAsync("data-line")).Parameters);
        await b.SayAsync($"filter-dataline|{id}|{tokenB}|uno", $"filter-dataline|{id}|{tokenB}|.");
        Assert.Null(await completing);
        Assert.Equal("uno\r\n", string.Concat(output));
    }

    [Fact]
    public async Task A_filter_that_dies_gets_the_lines_again_and_what_it_had_let_out_is_dropped()
    {
        (FilterRig rig, FilterSide filter) = await FilterRig.StartAsync(["filter|smtp-in|data-line", "report|smtp-in|tx-begin"]);
        await using (rig)
        {
            Task<(string Output, SmtpReply? Refusal)> sending = FilterRig.SendAsync(rig.Begin(), Content);
            Assert.Equal("tx-begin|11223344", await filter.ToldAsync());
            (string id, string token, _) = await filter.MessageAsync();
            await filter.SayAsync($"filter-dataline|{id}|{token}|first", $"filter-dataline|{id}|{token}|second");
            filter.Die(signal: 9);
            FilterSide next = await (await rig.Played.NextAsync()).RegisterAsync("filter|smtp-in|data-line", "report|smtp-in|tx-begin");
            Assert.Equal("tx-begin|11223344", await next.ToldAsync());
            (_, string another, string[] lines) = await next.MessageAsync();
            Assert.Equal(s_lines, lines);
            Assert.NotEqual(token, another);
            await next.SayAsync([.. ((string[])["first", "second", "third", "."]).Select(line => $"filter-dataline|{id}|{another}|{line}")]);
            Assert.Equal(("first\r\nsecond\r\nthird\r\n", null), await sending);
        }
    }

    [Theory]
    [InlineData("first|other|third|.", "made another message")]
    [InlineData("first|.", "made a shorter message")]
    public async Task One_that_then_says_something_else_makes_the_message_fail(string again, string why)
    {
        (FilterRig rig, FilterSide filter) = await FilterRig.StartAsync(["filter|smtp-in|data-line"], new("filter") { OnFailure = PlugFailurePolicy.Bypass });
        await using (rig)
        {
            SessionFilters session = rig.Begin();
            Task<(string Output, SmtpReply? Refusal)> sending = FilterRig.SendAsync(session, Content);
            (string id, string token, _) = await filter.MessageAsync();
            await filter.SayAsync($"filter-dataline|{id}|{token}|first", $"filter-dataline|{id}|{token}|second");
            await SwallowedAsync(rig, filter);
            filter.Die(signal: 9);
            FilterSide next = await (await rig.Played.NextAsync()).RegisterAsync("filter|smtp-in|data-line");
            (_, token, _) = await next.MessageAsync();
            await next.SayAsync([.. again.Split('|').Select(line => $"filter-dataline|{id}|{token}|{line}")]);
            Assert.Equal(451, (await sending).Refusal?.Code);
            Assert.Contains($"{session.Id} message 11223344 fails: filter f {why}", rig.Log, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(PlugFailurePolicy.Tempfail, 451)]
    [InlineData(PlugFailurePolicy.Reject, 550)]
    [InlineData(PlugFailurePolicy.Bypass, null)]
    public async Task A_poison_message_is_given_up_and_names_itself(PlugFailurePolicy policy, int? code)
    {
        (FilterRig rig, FilterSide filter) = await FilterRig.StartAsync(["filter|smtp-in|data-line"], new("filter") { OnFailure = policy });
        await using (rig)
        {
            SessionFilters session = rig.Begin();
            Task<(string Output, SmtpReply? Refusal)> sending = FilterRig.SendAsync(session, Content);
            await filter.AskedAsync("data-line");
            filter.Die(signal: 11);
            FilterSide next = await (await rig.Played.NextAsync()).RegisterAsync("filter|smtp-in|data-line");
            await next.MessageAsync();
            next.Die(signal: 11);
            (string output, SmtpReply? refusal) = await sending;
            Assert.Equal(code, refusal?.Code);
            if (code is null) Assert.Equal(Content, output);
            Assert.Contains($"{session.Id} filter f: died twice with nothing else to answer but data-line of message 11223344", rig.Log, StringComparison.Ordinal);

            // The next message finds the filter well.
            FilterSide last = await (await rig.Played.NextAsync()).RegisterAsync("filter|smtp-in|data-line");
            session.TxRollback();
            session.TxBegin(new(2));
            sending = FilterRig.SendAsync(session, "x\r\n");
            (string id, string token, _) = await last.MessageAsync();
            await last.SayAsync($"filter-dataline|{id}|{token}|y", $"filter-dataline|{id}|{token}|.");
            Assert.Equal(("y\r\n", null), await sending);
        }
    }

    [Fact]
    public async Task A_death_between_the_message_and_commit_repeats_both_and_compares()
    {
        (FilterRig rig, FilterSide filter) = await FilterRig.StartAsync(["filter|smtp-in|data-line", "filter|smtp-in|commit"]);
        await using (rig)
        {
            SessionFilters session = rig.Begin();
            Task<(string Output, SmtpReply? Refusal)> sending = FilterRig.SendAsync(session, Content);
            (string id, string token, _) = await filter.MessageAsync();
            await filter.SayAsync($"filter-dataline|{id}|{token}|spam", $"filter-dataline|{id}|{token}|.");
            await sending;
            Task<FilterVerdict> committing = session.AskAsync(FilterPhase.Commit).AsTask();
            await filter.AskedAsync("commit");
            filter.Die(signal: 9);
            FilterSide next = await (await rig.Played.NextAsync()).RegisterAsync("filter|smtp-in|data-line", "filter|smtp-in|commit");
            (_, token, string[] lines) = await next.MessageAsync();
            Assert.Equal(s_lines, lines);
            await next.SayAsync($"filter-dataline|{id}|{token}|spam", $"filter-dataline|{id}|{token}|.");
            (_, token, _) = await next.AskedAsync("commit");
            await next.SayAsync($"filter-result|{id}|{token}|reject|550 spam");
            Assert.Equal("550 spam", (await committing).Refusal?.ToString());
        }
    }

    [Theory]
    [InlineData("a\rb")]
    [InlineData("a\0b")]
    public async Task A_line_with_odd_bytes_fails_its_message_and_not_the_filter(string line)
    {
        (FilterRig rig, FilterSide filter) = await FilterRig.StartAsync(["filter|smtp-in|data-line"]);
        await using (rig)
        {
            Task<(string Output, SmtpReply? Refusal)> sending = FilterRig.SendAsync(rig.Begin(), Content);
            (string id, string token, _) = await filter.MessageAsync();
            await filter.SayAsync($"filter-dataline|{id}|{token}|{line}", $"filter-dataline|{id}|{token}|.");
            Assert.Equal(451, (await sending).Refusal?.Code);
            Assert.False(filter.WasTerminated);
        }
    }

    [Fact]
    public async Task In_bulk_it_comes_and_goes_in_chunks_without_stuffing()
    {
        (FilterRig rig, FilterSide filter) = await FilterRig.StartAsync(["filter|smtp-in|data-line", "extension|bulk"]);
        await using (rig)
        {
            Task<(string Output, SmtpReply? Refusal)> sending = FilterRig.SendAsync(rig.Begin(), Content);
            (string id, string token, string length) = await filter.AskedAsync("data-bulk");
            Assert.Equal(Content, await filter.ReadBytesAsync(int.Parse(length, System.Globalization.CultureInfo.InvariantCulture)));
            Assert.Equal("0", (await filter.AskedAsync("data-bulk")).Parameters);
            await filter.SayRawAsync($"filter-databulk|{id}|{token}|7\nA: b\r\n\rfilter-databulk|{id}|{token}|5\n\n.c\r\nfilter-databulk|{id}|{token}|4\nlastfilter-databulk|{id}|{token}|0\n");
            Assert.Equal(("A: b\r\n\r\n.c\r\nlast\r\n", null), await sending);
        }
    }

    [Theory]
    [InlineData("a\nb\r\n")]
    [InlineData("a\rb\r\n")]
    [InlineData("a\0b\r\n")]
    [InlineData("a\r")]
    public async Task Chunks_that_are_no_lines_fail_the_message(string content)
    {
        (FilterRig rig, FilterSide filter) = await FilterRig.StartAsync(["filter|smtp-in|data-line", "extension|bulk"]);
        await using (rig)
        {
            Task<(string Output, SmtpReply? Refusal)> sending = FilterRig.SendAsync(rig.Begin(), Content);
            (string id, string token, _) = await filter.AskedAsync("data-bulk");
            await filter.SayRawAsync($"filter-databulk|{id}|{token}|{content.Length}\n{content}filter-databulk|{id}|{token}|0\n");
            Assert.Equal(451, (await sending).Refusal?.Code);
            Assert.False(filter.WasTerminated);
        }
    }

    [Fact]
    public async Task An_observer_sees_what_the_filters_before_it_let_out_and_decides_at_commit()
    {
        await using FilterRig rig = await FilterRig.CreateAsync(["lines", "eyes", "bulk"]);
        FilterSide lines = await (await rig.Played.NextAsync("lines")).RegisterAsync("filter|smtp-in|data-line");
        FilterSide eyes = await (await rig.Played.NextAsync("eyes")).RegisterAsync("filter|smtp-in|data-line", "filter|smtp-in|commit", "extension|bulk-observe");
        FilterSide bulk = await (await rig.Played.NextAsync("bulk")).RegisterAsync("filter|smtp-in|data-line", "extension|bulk");
        await rig.ReadyAsync();
        SessionFilters session = rig.Begin();
        Task<(string Output, SmtpReply? Refusal)> sending = FilterRig.SendAsync(session, Content);
        (string id, string token, _) = await lines.MessageAsync();
        await lines.SayAsync($"filter-dataline|{id}|{token}|..hello", $"filter-dataline|{id}|{token}|.");
        Assert.Equal("8", (await eyes.AskedAsync("data-bulk")).Parameters);
        Assert.Equal(".hello\r\n", await eyes.ReadBytesAsync(8));
        Assert.Equal("0", (await eyes.AskedAsync("data-bulk")).Parameters);
        (_, token, _) = await bulk.AskedAsync("data-bulk");
        Assert.Equal(".hello\r\n", await bulk.ReadBytesAsync(8));
        await bulk.SayRawAsync($"filter-databulk|{id}|{token}|8\n.HELLO\r\nfilter-databulk|{id}|{token}|0\n");
        Assert.Equal((".HELLO\r\n", null), await sending);

        Task<FilterVerdict> committing = session.AskAsync(FilterPhase.Commit).AsTask();
        await eyes.AskedAsync("commit");
        eyes.Die(signal: 9);
        FilterSide next = await (await rig.Played.NextAsync("eyes")).RegisterAsync("filter|smtp-in|data-line", "filter|smtp-in|commit", "extension|bulk-observe");
        Assert.Equal("8", (await next.AskedAsync("data-bulk")).Parameters);
        await next.ReadBytesAsync(8);
        Assert.Equal("0", (await next.AskedAsync("data-bulk")).Parameters);
        (_, token, _) = await next.AskedAsync("commit");
        await next.SayAsync($"filter-result|{id}|{token}|reject|550 seen");
        Assert.Equal("550 seen", (await committing).Refusal?.ToString());
    }

    [Fact]
    public async Task A_large_message_goes_through_a_chain_whose_first_filter_answers_only_at_the_end_and_dies_once()
    {
        await using FilterRig rig = await FilterRig.CreateAsync(["a", "b"]);
        FilterSide a = await (await rig.Played.NextAsync("a")).RegisterAsync("filter|smtp-in|data-line"), b = await (await rig.Played.NextAsync("b")).RegisterAsync("filter|smtp-in|data-line");
        await rig.ReadyAsync();
        string content = string.Concat(Enumerable.Range(0, 40_000).Select(static i => $"{i,8} a line of sixty bytes or so that makes the message large\r\n"));
        Task<(string Output, SmtpReply? Refusal)> sending = FilterRig.SendAsync(rig.Begin(), content);
        await a.MessageAsync();
        a.Die(signal: 9);
        a = await (await rig.Played.NextAsync("a")).RegisterAsync("filter|smtp-in|data-line");
        (string id, string token, string[] lines) = await a.MessageAsync();
        Task echoing = b.MessageAsync().ContinueWith(async got =>
        {
            (string idB, string tokenB, string[] linesB) = await got;
            await b.SayAsync([.. linesB.Select(line => $"filter-dataline|{idB}|{tokenB}|{line}"), $"filter-dataline|{idB}|{tokenB}|."]);
        }, TaskScheduler.Default).Unwrap();
        await a.SayAsync([.. lines.Select(line => $"filter-dataline|{id}|{token}|{line}"), $"filter-dataline|{id}|{token}|."]);
        await echoing;
        (string output, SmtpReply? refusal) = await sending;
        Assert.Null(refusal);
        Assert.True(content == output);
    }

    [Fact]
    public async Task More_than_a_message_may_have_is_refused()
    {
        (FilterRig rig, FilterSide filter) = await FilterRig.StartAsync(["filter|smtp-in|data-line", "extension|bulk"]);
        await using (rig)
        {
            Task<(string Output, SmtpReply? Refusal)> sending = FilterRig.SendAsync(rig.Begin(), Content);
            (string id, string token, _) = await filter.AskedAsync("data-bulk");
            string chunk = $"filter-databulk|{id}|{token}|65536\n{string.Concat(Enumerable.Repeat(new string('x', 62) + "\r\n", 1024))}";
            for (int i = 0; i < (9 << 20 >> 16) + 1; i++) await filter.SayRawAsync(chunk);
            await filter.SayRawAsync($"filter-databulk|{id}|{token}|0\n");
            Assert.Equal(552, (await sending).Refusal?.Code);
        }
    }

    [Fact]
    public async Task One_that_does_not_read_is_ended_when_its_timeout_is_over()
    {
        FakeTimeProvider time = new();
        (FilterRig rig, FilterSide filter) = await FilterRig.StartAsync(["filter|smtp-in|data-line"], new("filter") { Timeout = TimeSpan.FromSeconds(8) }, time);
        await using (rig)
        {
            string content = string.Concat(Enumerable.Repeat(new string('x', 98) + "\r\n", 20_000));
            Task<(string Output, SmtpReply? Refusal)> sending = FilterRig.SendAsync(rig.Begin(), content);
            while (!filter.WasTerminated)
            {
                time.Advance(TimeSpan.FromSeconds(1));
                await Task.Delay(2);
            }
            FilterSide next = await (await rig.Played.NextAsync()).RegisterAsync("filter|smtp-in|data-line");
            (string id, string token, _) = await next.MessageAsync();
            await next.SayAsync($"filter-dataline|{id}|{token}|short", $"filter-dataline|{id}|{token}|.");
            Assert.Equal(("short\r\n", null), await sending);
            Assert.Contains("it does not read what it is told", rig.Log, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_slow_client_does_not_keep_the_others_waiting_after_a_death()
    {
        (FilterRig rig, FilterSide filter) = await FilterRig.StartAsync(["filter|smtp-in|data-line"]);
        await using (rig)
        {
            string output = "";
            MessageFiltering slow = rig.Begin(1).BeginMessage(block =>
            {
                output += System.Text.Encoding.Latin1.GetString(block.Span);
                return default;
            })!;
            await slow.WriteAsync("slow\r\n"u8.ToArray());
            Assert.Equal("slow", (await filter.AskedAsync("data-line")).Parameters);
            Task<(string Output, SmtpReply? Refusal)> quick = FilterRig.SendAsync(rig.Begin(2), "quick\r\n");
            await filter.MessageAsync();
            filter.Die(signal: 9);
            FilterSide next = await (await rig.Played.NextAsync()).RegisterAsync("filter|smtp-in|data-line");
            (string id, string token, string[] lines) = await next.MessageAsync();
            Assert.Equal(["quick"], lines);
            await next.SayAsync($"filter-dataline|{id}|{token}|quick", $"filter-dataline|{id}|{token}|.");
            Assert.Equal(("quick\r\n", null), await quick);
            await slow.WriteAsync("end\r\n"u8.ToArray());
            Task<SmtpReply?> completing = slow.CompleteAsync().AsTask();
            (id, token, lines) = await next.MessageAsync();
            Assert.Equal(["slow", "end"], lines);
            await next.SayAsync($"filter-dataline|{id}|{token}|slow end", $"filter-dataline|{id}|{token}|.");
            Assert.Null(await completing);
            Assert.Equal("slow end\r\n", output);
        }
    }

    // What was said has been passed on when a question behind it has been answered.
    private static async Task SwallowedAsync(FilterRig rig, FilterSide filter)
    {
        long before = rig.Hosts.Report()[0].Ignored;
        await filter.SayAsync("filter-result|0000000000000001|0000000000000001|proceed");
        for (int i = 0; i < 5000 && rig.Hosts.Report()[0].Ignored == before; i++) await Task.Delay(1);
        await filter.SayAsync("filter-result|0000000000000001|0000000000000001|proceed");
        for (int i = 0; i < 5000 && rig.Hosts.Report()[0].Ignored == before + 1; i++) await Task.Delay(1);
    }
}

using Microsoft.Extensions.Time.Testing;
using Posthouse.Server.Configuration;
using Posthouse.Server.Filtering;
using Posthouse.Server.Model;

namespace Posthouse.Tests.Filtering;

/// <summary>What one filter is told and asked, and what becomes of requests when it misbehaves.</summary>
public sealed class FilterInstanceTests
{
    private static readonly PlugCommand s_bypass = new("filter") { OnFailure = PlugFailurePolicy.Bypass };

    [Fact]
    public async Task The_handshake_is_said_at_once_and_complete()
    {
        (FilterRig rig, FilterSide filter) = await FilterRig.StartAsync(["filter|smtp-in|helo"]);
        await using (rig)
        {
            Assert.Equal(
                ["config|smtpd-version|7.8.0-posthouse", "config|protocol|0.7", "config|smtp-session-timeout|300", "config|subsystem|smtp-in", "config|admd|mx.example.org", "config|extension|bulk", "config|ready"],
                filter.Handshake);
        }
    }

    [Theory]
    [InlineData("proceed", null, false)]
    [InlineData("reject|550 5.7.1 no|really", "550 5.7.1 no|really", false)]
    [InlineData("reject|421 go away", "421 go away", true)]
    [InlineData("disconnect|451 later", "451 later", true)]
    [InlineData("reject|nonsense", "421 Internal server error", true)]
    [InlineData("reject|250 fine", "421 Internal server error", true)]
    [InlineData("junk", null, false)]
    [InlineData("report|just so you know", null, false)]
    [InlineData("proceed\r", null, false)]
    public async Task Decisions(string decision, string? reply, bool closes)
    {
        (FilterRig rig, FilterSide filter) = await FilterRig.StartAsync(["filter|smtp-in|mail-from"]);
        await using (rig)
        {
            SessionFilters session = rig.Connect();
            Task<FilterVerdict> asking = session.AskAsync(FilterPhase.MailFrom, "a|b@example.org").AsTask();
            (string id, string token, string parameters) = await filter.AskedAsync("mail-from");
            Assert.Equal((session.Id, "a|b@example.org"), (id, parameters));
            await filter.SayAsync($"filter-result|{id}|{token}|{decision}");
            FilterVerdict verdict = await asking;
            Assert.Equal(reply, verdict.Refusal?.ToString());
            Assert.Equal(closes, verdict.Closes);
            Assert.Equal(decision == "junk", session.IsJunk);
            Assert.Null(verdict.Rewritten);
        }
    }

    [Fact]
    public async Task Phases_that_are_not_registered_cost_nothing()
    {
        (FilterRig rig, FilterSide filter) = await FilterRig.StartAsync(["filter|smtp-in|quit"]);
        await using (rig)
        {
            SessionFilters session = rig.Connect();
            foreach (FilterPhase phase in Enum.GetValues<FilterPhase>().Where(static phase => phase is not (FilterPhase.Quit or FilterPhase.DataLine)))
                Assert.True(session.AskAsync(phase).IsCompleted);
            Assert.Null(session.BeginMessage(static _ => default));
            _ = session.AskAsync(FilterPhase.Quit);
            // The first line that it hears at all.
            await filter.AskedAsync("quit");
        }
    }

    [Fact]
    public async Task Parameters_of_questions()
    {
        (FilterRig rig, FilterSide filter) = await FilterRig.StartAsync(["filter|smtp-in|connect", "filter|smtp-in|data", "filter|smtp-in|commit"]);
        await using (rig)
        {
            SessionFilters session = rig.Connect();
            _ = session.AskAsync(FilterPhase.Connect);
            (string id, string token, string parameters) = await filter.AskedAsync("connect");
            Assert.Equal("client.example.net|192.0.2.1", parameters);
            Assert.Equal(16, token.Length);
            await filter.SayAsync($"filter-result|{id}|{token}|proceed");
            SessionFilters other = rig.Connect();
            _ = other.AskAsync(FilterPhase.Data);
            Assert.Equal("", (await filter.AskedAsync("data")).Parameters);
        }
    }

    [Fact]
    public async Task A_parameter_cannot_end_a_line()
    {
        (FilterRig rig, FilterSide filter) = await FilterRig.StartAsync(["filter|smtp-in|auth"]);
        await using (rig)
        {
            _ = rig.Connect().AskAsync(FilterPhase.Auth, "a\nfilter|0.7\r\0x");
            Assert.Equal("a filter|0.7  x", (await filter.AskedAsync("auth")).Parameters);
        }
    }

    [Fact]
    public async Task Answers_come_in_any_order_and_twice_and_for_sessions_that_are_gone()
    {
        (FilterRig rig, FilterSide filter) = await FilterRig.StartAsync(["filter|smtp-in|helo", "filter|smtp-in|noop"]);
        await using (rig)
        {
            SessionFilters first = rig.Connect(), second = rig.Connect();
            Task<FilterVerdict> one = first.AskAsync(FilterPhase.Helo, "one").AsTask(), two = second.AskAsync(FilterPhase.Helo, "two").AsTask();
            (string idOne, string tokenOne, _) = await filter.AskedAsync("helo");
            (string idTwo, string tokenTwo, _) = await filter.AskedAsync("helo");
            Assert.NotEqual(tokenOne, tokenTwo);
            await filter.SayAsync(
                $"filter-result|{idTwo}|{tokenOne}|reject|550 crossed", $"filter-result|{idTwo}|{tokenTwo}|reject|550 two", $"filter-result|{idTwo}|{tokenTwo}|proceed",
                "filter-result|00000000000000ff|00000000000000ff|proceed", $"filter-dataline|{idTwo}|{tokenTwo}|x", $"filter-result|{idOne}|{tokenOne}|reject|550 one");
            Assert.Equal("550 one", (await one).Refusal?.ToString());
            Assert.Equal("550 two", (await two).Refusal?.ToString());
            Assert.Equal(4, rig.Hosts.Report()[0].Ignored);
            Assert.False(filter.WasTerminated);
        }
    }

    [Theory]
    [InlineData("hello?")]
    [InlineData("filter-result|{s}|{t}|maybe")]
    [InlineData("filter-result|{s}|{t}|reject")]
    [InlineData("filter-result|{s}")]
    [InlineData("filter-result|xyz|{t}|proceed")]
    [InlineData("filter-dataline|{s}|{t}|a line")]
    [InlineData("report|what")]
    [InlineData("\u0001\u0002\u0003")]
    public async Task A_filter_that_breaks_the_protocol_is_started_again_and_asked_again(string line)
    {
        (FilterRig rig, FilterSide filter) = await FilterRig.StartAsync(["filter|smtp-in|helo"]);
        await using (rig)
        {
            Task<FilterVerdict> asking = rig.Connect().AskAsync(FilterPhase.Helo, "x").AsTask();
            (string id, string token, _) = await filter.AskedAsync("helo");
            await filter.SayAsync(line.Replace("{s}", id, StringComparison.Ordinal).Replace("{t}", token, StringComparison.Ordinal));
            FilterSide next = await (await rig.Played.NextAsync()).RegisterAsync("filter|smtp-in|helo");
            Assert.True(filter.WasTerminated);
            (id, token, _) = await next.AskedAsync("helo");
            await next.SayAsync($"filter-result|{id}|{token}|proceed");
            Assert.True((await asking).Proceeds);
            Assert.Contains("filter f: pid 1001 was ended and is started again: ", rig.Log, StringComparison.Ordinal);
            Assert.Equal(1, rig.Hosts.Report()[0].Restarts);
        }
    }

    [Fact]
    public async Task A_restarted_filter_hears_how_its_sessions_stand_with_the_original_times()
    {
        (FilterRig rig, FilterSide filter) = await FilterRig.StartAsync(["report|smtp-in|*", "filter|smtp-in|rcpt-to"]);
        await using (rig)
        {
            SessionFilters session = rig.Begin();
            List<string> heard = [];
            for (int i = 0; i < 5; i++) heard.Add(await ReadFlushed(session, filter));
            Task<FilterVerdict> asking = session.AskAsync(FilterPhase.RcptTo, "c@example.org").AsTask();
            await filter.AskedAsync("rcpt-to");
            filter.Die(code: 1);

            FilterSide next = await (await rig.Played.NextAsync()).RegisterAsync("report|smtp-in|*", "filter|smtp-in|rcpt-to");
            Assert.Matches(@"config\|replay-until\|\d+\.\d{6}$", next.Handshake[^2]);
            List<string> repeated = [];
            for (int i = 0; i < 5; i++) repeated.Add(await next.ReadAsync());
            Assert.Equal(heard, repeated);
            (string id, string token, _) = await next.AskedAsync("rcpt-to");
            await next.SayAsync($"filter-result|{id}|{token}|proceed");
            Assert.True((await asking).Proceeds);
            Assert.Contains("(exit code 1); it is started again", rig.Log, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Other_sessions_are_told_just_before_their_next_event()
    {
        (FilterRig rig, FilterSide filter) = await FilterRig.StartAsync(["report|smtp-in|link-connect", "report|smtp-in|link-identify", "report|smtp-in|tx-commit", "report|smtp-in|link-disconnect"]);
        await using (rig)
        {
            SessionFilters idle = rig.Connect();
            await idle.FlushAsync();
            Assert.StartsWith("link-connect|", await filter.ToldAsync(), StringComparison.Ordinal);
            filter.Die(signal: 11);
            FilterSide next = await (await rig.Played.NextAsync()).RegisterAsync("report|smtp-in|link-connect", "report|smtp-in|link-identify");
            await rig.ReadyAsync();
            idle.LinkIdentify(true, "me");
            await idle.FlushAsync();
            Assert.StartsWith("link-connect|", await next.ToldAsync(), StringComparison.Ordinal);
            Assert.Equal("link-identify|EHLO|me", await next.ToldAsync());
        }
    }

    [Fact]
    public async Task What_ended_while_it_was_away_it_hears_late_and_in_order()
    {
        string[] registers = ["report|smtp-in|link-connect", "report|smtp-in|tx-begin", "report|smtp-in|tx-commit", "report|smtp-in|tx-reset", "report|smtp-in|link-disconnect"];
        (FilterRig rig, FilterSide filter) = await FilterRig.StartAsync(registers);
        await using (rig)
        {
            SessionFilters gone = rig.Begin(1);
            await gone.FlushAsync();
            filter.Die(code: 1);
            FilterSide next = await rig.Played.NextAsync();
            gone.TxCommit(4711);
            gone.LinkDisconnect();
            await next.RegisterAsync(registers);
            Assert.StartsWith("link-connect|", await next.ToldAsync(), StringComparison.Ordinal);
            Assert.Equal("tx-begin|00000001", await next.ToldAsync());
            Assert.Equal("tx-commit|00000001|4711", await next.ToldAsync());
            Assert.Equal("tx-reset|00000001", await next.ToldAsync());
            Assert.Equal("link-disconnect", await next.ToldAsync());
        }
    }

    [Theory]
    [InlineData(PlugFailurePolicy.Tempfail, FilterPhase.MailFrom, "451 4.3.0 Temporary failure", false)]
    [InlineData(PlugFailurePolicy.Tempfail, FilterPhase.Connect, "421 4.3.0 Temporary failure, try again later", true)]
    [InlineData(PlugFailurePolicy.Bypass, FilterPhase.MailFrom, null, false)]
    [InlineData(PlugFailurePolicy.Reject, FilterPhase.MailFrom, "550 5.3.0 Refused", false)]
    [InlineData(PlugFailurePolicy.Reject, FilterPhase.Connect, "554 5.3.0 Refused", false)]
    [InlineData(PlugFailurePolicy.Reject, FilterPhase.Quit, null, false)]
    public async Task The_request_that_kills_it_twice_gets_the_answer_of_on_failure(PlugFailurePolicy policy, FilterPhase phase, string? reply, bool closes)
    {
        string register = $"filter|smtp-in|{FilterWords.Of(phase)}";
        (FilterRig rig, FilterSide filter) = await FilterRig.StartAsync([register], new("filter") { OnFailure = policy });
        await using (rig)
        {
            SessionFilters session = rig.Connect();
            Task<FilterVerdict> asking = session.AskAsync(phase, "x").AsTask();
            await filter.AskedAsync(FilterWords.Of(phase));
            filter.Die(signal: 11);
            FilterSide next = await (await rig.Played.NextAsync()).RegisterAsync(register);
            await next.AskedAsync(FilterWords.Of(phase));
            next.Die(signal: 11);
            FilterVerdict verdict = await asking;
            Assert.Equal(reply, verdict.Refusal?.ToString());
            Assert.Equal(closes, verdict.Closes);
            Assert.Contains($"{session.Id} filter f: died twice", rig.Log, StringComparison.Ordinal);
            Assert.Equal(1, rig.Hosts.Report()[0].Failures);
        }
    }

    [Fact]
    public async Task When_it_dies_with_several_requests_they_are_asked_one_at_a_time_and_only_the_guilty_one_fails()
    {
        (FilterRig rig, FilterSide filter) = await FilterRig.StartAsync(["filter|smtp-in|helo"]);
        await using (rig)
        {
            Dictionary<string, Task<FilterVerdict>> asking = [];
            foreach (string name in (string[])["one", "poison", "three"])
            {
                asking[name] = rig.Connect().AskAsync(FilterPhase.Helo, name).AsTask();
                await filter.AskedAsync("helo");
            }
            filter.Die(signal: 11);
            List<string> asked = [];
            for (int life = 0; life < 3; life++)
            {
                FilterSide next = await (await rig.Played.NextAsync()).RegisterAsync("filter|smtp-in|helo");
                if (life == 0) asking["late"] = rig.Connect().AskAsync(FilterPhase.Helo, "late").AsTask();
                while (true)
                {
                    (string id, string token, string name) = await next.AskedAsync("helo");
                    asked.Add(name);
                    if (name == "poison")
                    {
                        next.Die(signal: 11);
                        break;
                    }
                    await next.SayAsync($"filter-result|{id}|{token}|proceed");
                    if (name == "late") break;
                }
            }
            Assert.Equal(["one", "poison", "poison", "three", "late"], asked);
            Assert.Equal("451 4.3.0 Temporary failure", (await asking["poison"]).Refusal?.ToString());
            foreach (string name in (string[])["one", "three", "late"]) Assert.True((await asking[name]).Proceeds);
        }
    }

    [Fact]
    public async Task An_overdue_request_gets_on_failure_and_a_filter_that_answers_others_lives()
    {
        FakeTimeProvider time = new();
        (FilterRig rig, FilterSide filter) = await FilterRig.StartAsync(["filter|smtp-in|helo"], s_bypass with { Timeout = TimeSpan.FromSeconds(4) }, time);
        await using (rig)
        {
            Task<FilterVerdict> slow = rig.Connect().AskAsync(FilterPhase.Helo, "slow").AsTask();
            await filter.AskedAsync("helo");
            time.Advance(TimeSpan.FromSeconds(2));
            Task<FilterVerdict> quick = rig.Connect().AskAsync(FilterPhase.Helo, "quick").AsTask();
            (string id, string token, _) = await filter.AskedAsync("helo");
            await filter.SayAsync($"filter-result|{id}|{token}|reject|550 no");
            Assert.False((await quick).Proceeds);
            for (int i = 0; i < 5; i++) time.Advance(TimeSpan.FromSeconds(1));
            Assert.True((await slow).Proceeds);
            Assert.Contains("no answer in time to helo; it is answered by on-failure bypass", rig.Log, StringComparison.Ordinal);
            Assert.False(filter.WasTerminated);
        }
    }

    [Fact]
    public async Task A_filter_that_never_answers_is_ended_and_started_again()
    {
        FakeTimeProvider time = new();
        (FilterRig rig, FilterSide filter) = await FilterRig.StartAsync(["filter|smtp-in|helo"], new("filter") { Timeout = TimeSpan.FromSeconds(4) }, time);
        await using (rig)
        {
            Task<FilterVerdict> asking = rig.Connect().AskAsync(FilterPhase.Helo, "x").AsTask();
            await filter.AskedAsync("helo");
            for (int i = 0; i < 6; i++) time.Advance(TimeSpan.FromSeconds(1));
            Assert.Equal("451 4.3.0 Temporary failure", (await asking).Refusal?.ToString());
            await rig.Played.NextAsync();
            Assert.True(filter.WasTerminated);
            Assert.Contains("it has answered nothing for longer than its timeout", rig.Log, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Without_register_ready_in_ten_seconds_it_is_ended_and_sessions_wait_no_longer_than_the_timeout()
    {
        FakeTimeProvider time = new();
        await using FilterRig rig = await FilterRig.CreateAsync(["f"], s_bypass, time);
        FilterSide filter = await rig.Played.NextAsync();
        Task<FilterVerdict> connecting = rig.Connect().AskAsync(FilterPhase.Connect).AsTask();
        Assert.True(rig.Connect().AskAsync(FilterPhase.Helo, "x").IsCompleted);
        for (int i = 0; i < 11; i++) time.Advance(TimeSpan.FromSeconds(1));
        for (int i = 0; i < 1000 && !rig.Log.Contains("register|ready within 10 s", StringComparison.Ordinal); i++) await Task.Delay(5);
        Assert.True(filter.WasTerminated);
        Assert.False(connecting.IsCompleted);
        for (int i = 0; i < 30; i++) time.Advance(TimeSpan.FromSeconds(1));
        Assert.True((await connecting).Proceeds);
    }

    [Fact]
    public async Task A_filter_that_cannot_be_started_is_tried_ever_more_rarely()
    {
        FakeTimeProvider time = new();
        await using FilterRig rig = await FilterRig.CreateAsync(["f"], time: time);
        FilterSide filter = await rig.Played.NextAsync();
        rig.Played.Failure = "no such program";
        filter.Die(code: 2);
        for (int second = 0; second < 120; second++)
        {
            time.Advance(TimeSpan.FromSeconds(1));
            await Task.Delay(1);
        }
        Assert.InRange(rig.Played.Starts, 4, 14);
        Assert.Contains("before it said register|ready", rig.Log, StringComparison.Ordinal);
        Assert.Contains("cannot be started", rig.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_a_filter_reports_by_itself_goes_to_the_filters_of_that_session()
    {
        (FilterRig rig, FilterSide filter) = await FilterRig.StartAsync(["report|smtp-in|filter-report"]);
        await using (rig)
        {
            SessionFilters session = rig.Connect();
            await filter.SayAsync($"report|1700000000.000000|smtp-in|{session.Id}|look|here", "report|1|smtp-in|00000000000000aa|nobody");
            Task<string> told = filter.ToldAsync();
            while (!told.IsCompleted)
            {
                await session.FlushAsync();
                await Task.WhenAny(told, Task.Delay(5));
            }
            Assert.Equal("filter-report|proc|f|look|here", await told);
        }
    }

    [Fact]
    public async Task Sessions_are_spread_over_the_instances_and_stay_there()
    {
        await using FilterRig rig = await FilterRig.CreateAsync(["f"], new("filter") { Instances = 3 });
        FilterSide[] filters = [await rig.Played.NextAsync(), await rig.Played.NextAsync(), await rig.Played.NextAsync()];
        foreach (FilterSide filter in filters) await filter.RegisterAsync("filter|smtp-in|helo");
        await rig.ReadyAsync();
        for (int i = 0; i < 6; i++)
        {
            SessionFilters session = rig.Connect();
            FilterSide filter = filters.Single(each => (ulong)each.Instance == Convert.ToUInt64(session.Id, 16) % 3);
            for (int again = 0; again < 2; again++)
            {
                Task<FilterVerdict> asking = session.AskAsync(FilterPhase.Helo, "x").AsTask();
                (string id, string token, _) = await filter.AskedAsync("helo");
                await filter.SayAsync($"filter-result|{id}|{token}|proceed");
                await asking;
            }
        }
    }

    private static async Task<string> ReadFlushed(SessionFilters session, FilterSide filter)
    {
        await session.FlushAsync();
        return await filter.ReadAsync();
    }
}

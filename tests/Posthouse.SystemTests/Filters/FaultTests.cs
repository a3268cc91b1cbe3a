using System.Diagnostics;
using System.Globalization;
using Posthouse.SystemTests.Support;

namespace Posthouse.SystemTests.Filters;

/// <summary>Filters that do wrong: it costs their own sessions what the configuration says, never more, and nobody else's anything.</summary>
public class FaultTests
{
    private const string Body = "Subject: x\n\nfirst line\nlast line";

    // The first listener has the faulty filter, the second one that does what it should.
    private static Task<RunningServer> ServeAsync(string fault, string options = "") => RunningServer.StartAsync(
        FilterScript.Configuration(FilterScript.Statement("faulty", fault, options) + FilterScript.Statement("plain"), "\"faulty\"", "\"plain\""), prepare: FilterScript.Copy);

    private static async Task OthersAreUntouchedAsync(RunningServer server, string box = "other")
    {
        Stopwatch elapsed = Stopwatch.StartNew();
        await server.AcceptAsync($"{box}@example.org", Body, port: server.SecondPort);
        Assert.True(elapsed.Elapsed < TimeSpan.FromSeconds(5), $"{elapsed.Elapsed}");
        Assert.Contains("\nX-Filtered: yes\n", await server.ReadMailAsync(box), StringComparison.Ordinal);
    }

    // The line that says that a filter failed names it and its process.
    private static Task<string> FailureAsync(RunningServer server, int process) => server.WaitForLogAsync(
        line => line.Contains("filter faulty: ", StringComparison.Ordinal) && line.Contains(string.Create(CultureInfo.InvariantCulture, $"pid {process} "), StringComparison.Ordinal));

    private static async Task FilteredAsync(RunningServer server, string box) => Assert.Contains("\nX-Filtered: yes\n", await server.ReadMailAsync(box), StringComparison.Ordinal);

    [Theory]
    [InlineData("garbage", "what is this?")]
    [InlineData("unknown-line", "filter-opinion")]
    [InlineData("unknown-decision", "perhaps")]
    public async Task Words_that_mean_nothing_cost_a_restart_and_the_client_a_pause(string fault, string logged)
    {
        await using RunningServer server = await ServeAsync(fault);
        await server.AcceptAsync("you@example.org", Body);
        await FilteredAsync(server, "you");
        int[] processes = FilterScript.ProcessesOf(server, "faulty");
        Assert.Equal(2, processes.Length);
        Assert.Contains(logged, await FailureAsync(server, processes[0]), StringComparison.Ordinal);
        await OthersAreUntouchedAsync(server);
    }

    [Theory]
    [InlineData("wrong-token")]
    [InlineData("answers-twice")]
    [InlineData("floods")]
    public async Task Answers_that_nobody_waits_for_are_passed_over(string fault)
    {
        await using RunningServer server = await ServeAsync(fault);
        await OthersAreUntouchedAsync(server);
        for (int i = 0; i < 3; i++) await server.AcceptAsync($"you{i}@example.org", Body);
        for (int i = 0; i < 3; i++) await FilteredAsync(server, $"you{i}");
        Assert.Single(FilterScript.ProcessesOf(server, "faulty"));
        await OthersAreUntouchedAsync(server, "later");
    }

    [Fact]
    public async Task One_that_says_nothing_but_that_is_another()
    {
        await using RunningServer server = await ServeAsync("floods-once");
        await OthersAreUntouchedAsync(server);
        await server.AcceptAsync("you@example.org", Body);
        await FilteredAsync(server, "you");
        int[] processes = FilterScript.ProcessesOf(server, "faulty");
        Assert.Equal(2, processes.Length);
        await FailureAsync(server, processes[0]);
    }

    [Fact]
    public async Task One_that_exits_at_its_start_is_started_again_ever_more_slowly()
    {
        await using RunningServer server = await ServeAsync("exits", "timeout 1s");
        using (SmtpClient client = await SmtpClient.ConnectAsync(server.Port, greet: false))
        {
            Assert.StartsWith("421 ", await client.ReadReplyAsync(), StringComparison.Ordinal);
            Assert.True(await client.IsClosedAsync());
        }

        await OthersAreUntouchedAsync(server);
        // 100 ms, then twice as long each time.
        await server.WaitForAsync(() => FilterScript.ProcessesOf(server, "faulty").Length >= 4 ? "" : null, static () => "not started again");
        int[] processes = FilterScript.ProcessesOf(server, "faulty");
        Assert.InRange(processes.Length, 4, 10);
        Assert.Contains("exit code 3", await FailureAsync(server, processes[0]), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "451 4.3.0 ")]
    [InlineData("on-failure reject", "5")]
    [InlineData("on-failure bypass", "250 ")]
    public async Task One_that_never_answers_is_overdue(string onFailure, string expected)
    {
        await using RunningServer server = await ServeAsync("silent", $"timeout 1s {onFailure}");
        using SmtpClient client = await SmtpClient.ConnectAsync(server.Port);
        await client.SayAsync("EHLO client.example.org", "250");
        Stopwatch elapsed = Stopwatch.StartNew();
        await client.SayAsync("MAIL FROM:<me@example.org>", expected);
        Assert.InRange(elapsed.Elapsed.TotalSeconds, 0.9, 10);
        // It has answered nothing for that long while something was overdue: another takes its place.
        int first = FilterScript.ProcessesOf(server, "faulty")[0];
        await FailureAsync(server, first);
        await server.WaitForAsync(() => FilterScript.ProcessesOf(server, "faulty").Length >= 2 ? "" : null, static () => "not started again");
        await OthersAreUntouchedAsync(server);
        await client.SayAsync("NOOP", "250");
    }

    [Fact]
    public async Task One_overdue_answer_costs_that_session_alone()
    {
        await using RunningServer server = await ServeAsync("forgets", "timeout 2s");
        using SmtpClient waiting = await SmtpClient.ConnectAsync(server.Port);
        await waiting.SayAsync("EHLO client.example.org", "250");
        Task<string> overdue = waiting.SayAsync("MAIL FROM:<silent@example.org>");
        for (int i = 0; !overdue.IsCompleted; i++)
        {
            await server.AcceptAsync("you@example.org", Body);
            Assert.True(i < 10_000);
        }

        Assert.StartsWith("451 4.3.0 ", await overdue, StringComparison.Ordinal);
        await waiting.SayAsync("MAIL FROM:<me@example.org>", "250");
        Assert.Single(FilterScript.ProcessesOf(server, "faulty"));
    }

    [Fact]
    public async Task One_that_stops_reading_holds_up_its_client_and_no_one_else()
    {
        await using RunningServer server = await ServeAsync("deaf", "timeout 1s");
        using SmtpClient client = await SmtpClient.ConnectAsync(server.Port);
        await client.SayAsync("EHLO client.example.org", "250");
        await client.SayAsync("MAIL FROM:<me@example.org>", "250");
        await client.SayAsync("RCPT TO:<you@example.org>", "250");
        await client.SayAsync("DATA", "354");
        // More than anybody holds for a program that takes nothing.
        Task sending = client.WriteAsync("Subject: x\r\n\r\n" + string.Concat(Enumerable.Repeat(new string('x', 998) + "\r\n", 20_000)) + ".\r\n");
        await OthersAreUntouchedAsync(server);
        await sending.WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
        // Killed, and the message sent again to the next one; or given up.
        string reply = await client.ReadReplyAsync();
        Assert.True(reply.StartsWith("250 ", StringComparison.Ordinal) || reply.StartsWith("451 4.3.0 ", StringComparison.Ordinal), reply);
        int[] processes = FilterScript.ProcessesOf(server, "faulty");
        await FailureAsync(server, processes[0]);
        await server.AcceptAsync("later@example.org", Body);
        await FilteredAsync(server, "later");
    }

    [Fact]
    public async Task One_that_dies_at_each_phase_is_a_pause_to_the_client()
    {
        await using RunningServer server = await ServeAsync("dies-at-each-phase");
        using (SmtpClient client = await SmtpClient.ConnectAsync(server.Port))
        {
            await client.SayAsync("HELO client.example.org", "250");
            await client.SayAsync("EHLO client.example.org", "250");
            await client.SayAsync("NOOP", "250");
            await client.SayAsync("MAIL FROM:<nobody@example.org>", "250");
            await client.SayAsync("RSET", "250");
            Assert.StartsWith("250 2.0.0 ", await client.SendMessageAsync("me@example.org", ["you@example.org"], Body), StringComparison.Ordinal);
            await client.SayAsync("QUIT", "221");
        }

        string mail = await server.ReadMailAsync("you");
        Assert.EndsWith("\n\nfirst line\nlast line\n", mail, StringComparison.Ordinal);
        Assert.Single(mail.Split('\n'), static line => line == "X-Filtered: yes");
        string[] phases = ["connect", "helo", "ehlo", "noop", "mail-from", "rset", "rcpt-to", "data", "data-line", "commit", "quit"];
        Assert.Equal(phases.Order(), Directory.GetFiles(server.Home, "faulty.*").Select(static file => Path.GetFileName(file)["faulty.".Length..]).Where(static name => name != "pids").Order());
        int[] processes = FilterScript.ProcessesOf(server, "faulty");
        Assert.Equal(phases.Length + 1, processes.Length);
        foreach (int process in processes[..^1]) await FailureAsync(server, process);
        await OthersAreUntouchedAsync(server);
    }

    [Theory]
    [InlineData("poisoned", "", "451 4.3.0 ")]
    [InlineData("poisoned", "on-failure reject", "5")]
    [InlineData("poisoned", "on-failure bypass", "250 ")]
    // Half of it is let out already.
    [InlineData("poisoned-while-it-streams", "on-failure bypass", "451 4.3.0 ")]
    public async Task A_message_that_kills_a_filter_each_time_convicts_itself_alone(string fault, string onFailure, string expected)
    {
        await using RunningServer server = await ServeAsync(fault, onFailure);
        using SmtpClient poisoner = await SmtpClient.ConnectAsync(server.Port), innocent = await SmtpClient.ConnectAsync(server.Port);
        await poisoner.SayAsync("EHLO poisoner.example.org", "250");
        await innocent.SayAsync("EHLO innocent.example.org", "250");
        await innocent.SayAsync("MAIL FROM:<me@example.org>", "250");
        Task<string> poisoned = poisoner.SendMessageAsync("me@example.org", ["poisoned@example.org"], "Subject: x\n\npoison\nand more");
        await innocent.SayAsync("RCPT TO:<innocent@example.org>", "250");
        await innocent.SayAsync("DATA", "354");
        await innocent.WriteAsync("Subject: x\r\n\r\nbody\r\n.\r\n");
        Assert.StartsWith("250 2.0.0 ", await innocent.ReadReplyAsync(), StringComparison.Ordinal);
        Assert.StartsWith(expected, await poisoned, StringComparison.Ordinal);
        await FilteredAsync(server, "innocent");

        // The poisoner's session goes on, with the next message.
        Assert.StartsWith("250 ", await poisoner.SendMessageAsync("me@example.org", ["cured@example.org"], Body), StringComparison.Ordinal);
        await FilteredAsync(server, "cured");
        if (expected == "250 ") Assert.EndsWith("\n\npoison\nand more\n", await server.ReadMailAsync("poisoned"), StringComparison.Ordinal);
        else Assert.False(Directory.Exists(server.Mail + "/poisoned"));

        // Whoever looks into it finds the session.
        string connected = await server.WaitForLogAsync(static line => line.Contains("poisoner.example.org", StringComparison.Ordinal) || line.Contains("smtp connected", StringComparison.Ordinal));
        string session = connected.Split(' ').First(static word => word.Length == 16 && word.All(char.IsAsciiHexDigitLower));
        await server.WaitForLogAsync(line => line.Contains("faulty", StringComparison.Ordinal) && line.Contains(session, StringComparison.Ordinal));
        await OthersAreUntouchedAsync(server);
    }

    [Fact]
    public async Task Output_that_differs_after_a_death_is_never_put_together()
    {
        await using RunningServer server = await ServeAsync("changes-its-mind", "on-failure bypass");
        using SmtpClient client = await SmtpClient.ConnectAsync(server.Port);
        await client.SayAsync("EHLO client.example.org", "250");
        string reply = await client.SendMessageAsync("me@example.org", ["you@example.org"], Body);
        Assert.StartsWith("451 ", reply, StringComparison.Ordinal);
        Assert.StartsWith("250 ", await client.SendMessageAsync("me@example.org", ["you@example.org"], Body), StringComparison.Ordinal);
        string mail = await server.ReadMailAsync("you");
        Assert.Single(mail.Split('\n'), static line => line.StartsWith("X-Filtered:", StringComparison.Ordinal));
        await OthersAreUntouchedAsync(server);
    }

    [Fact]
    public async Task Show_filters_tells_how_each_is()
    {
        await using RunningServer server = await ServeAsync("garbage");
        await server.AcceptAsync("you@example.org", Body);
        int current = FilterScript.ProcessesOf(server, "faulty")[^1], good = FilterScript.ProcessesOf(server, "plain")[^1];
        Tool text = await server.ControlAsync("show", "filters"), json = await server.ControlAsync("--json", "show", "filters");
        Assert.True(text.ExitCode == 0 && json.ExitCode == 0, $"{text}{json}");
        foreach (string output in (string[])[text.Output, json.Output])
        {
            foreach (string word in (string[])["faulty", "plain", $"{current}", $"{good}"]) Assert.Contains(word, output, StringComparison.Ordinal);
        }

        foreach (string line in json.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            using System.Text.Json.JsonDocument parsed = System.Text.Json.JsonDocument.Parse(line);
            Assert.NotEqual(System.Text.Json.JsonValueKind.Undefined, parsed.RootElement.ValueKind);
        }
    }
}

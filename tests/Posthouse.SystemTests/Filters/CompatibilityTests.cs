using System.Text.RegularExpressions;
using Posthouse.SystemTests.Support;

namespace Posthouse.SystemTests.Filters;

/// <summary>
/// What the filters that people have depend on: small filters that are as particular as those are, and end at the first thing they do not expect.
/// The server then says that one failed, and no test here may see that.
/// </summary>
public class CompatibilityTests
{
    // Everything that a client can do in one session, some of it refused.
    private static async Task<string> TalkAsync(SmtpClient client, string name, string to)
    {
        await client.SayAsync($"HELO {name}", "250");
        await client.SayAsync($"EHLO {name}", "250");
        await client.SayAsync("NOOP", "250");
        await client.SayAsync("MAIL FROM:<>", "250");
        await client.SayAsync("RSET", "250");
        await client.SayAsync("MAIL FROM:<a|b@example.org>", "250");
        await client.SayAsync($"RCPT TO:<{to}>", "250");
        await client.SayAsync("RCPT TO:<no one>", "5");
        await client.SayAsync("MAIL FROM:<again@example.org>", "503");
        await client.SayAsync("RSET", "250");
        string reply = await client.SendMessageAsync("one|two@example.org", [to, "second@example.org"], "Subject: x\n\n.\nbody | with | bars |\n \n|\n..");
        await client.SayAsync("QUIT", "221");
        return reply;
    }

    private static async Task<(string Mail, string MessageId)> TalkAsync(RunningServer server, string to = "you@example.org", string? proxied = null)
    {
        using SmtpClient client = await SmtpClient.ConnectAsync(server.Port, proxied: proxied);
        string reply = await TalkAsync(client, "client.example.org", to);
        Match accepted = Regex.Match(reply, "^250 2.0.0 ([0-9a-f]{8}) ");
        Assert.True(accepted.Success, reply);
        return (await server.ReadMailAsync(to.Split('@')[0]), accepted.Groups[1].Value);
    }

    /// <summary>One process served from beginning to end.</summary>
    private static async Task NoneDiedAsync(RunningServer server, string script)
    {
        // The first one may have been the only one so far; a session more shows that it still lives.
        await server.AcceptAsync("after@example.org");
        await server.ReadMailAsync("after");
        Assert.Single(FilterScript.ProcessesOf(server, script));
        // Nor did it complain.
        Assert.DoesNotContain(server.Lines, line => line.StartsWith($"{script}: ", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("192.0.2.7", "192.0.2.7")]
    [InlineData("2001:db8::7", "2001:db8::7")]
    public async Task Filters_in_Go_count_the_parameters_of_each_event(string client, string known)
    {
        await using RunningServer server = await RunningServer.StartAsync(
            FilterScript.Configuration(FilterScript.Statement("strict"), "\"strict\" proxy-v2").Replace("port {port2} ", "port {port2} filter \"strict\"", StringComparison.Ordinal), prepare: FilterScript.Copy);
        (string mail, string messageId) = await TalkAsync(server, proxied: client);
        Assert.Contains($"\nX-Known: {messageId} ip={known} helo=client.example.org from=<one|two@example.org> rcpt=you@example.org,second@example.org\n", mail, StringComparison.Ordinal);
        Assert.EndsWith("\n\n.\nbody | with | bars |\n \n|\n..\n", mail, StringComparison.Ordinal);
        await server.AcceptAsync("after@example.org", port: server.SecondPort);
        Assert.Contains("ip=127.0.0.1 helo=client.example.org", await server.ReadMailAsync("after"), StringComparison.Ordinal);
        Assert.Single(FilterScript.ProcessesOf(server, "strict"));
    }

    [Fact]
    public async Task Filters_in_Go_see_programs_of_this_machine_as_clients_too()
    {
        await using RunningServer server = await RunningServer.StartAsync(FilterScript.Configuration(FilterScript.Statement("strict") + "listen on socket filter \"strict\"", "\"strict\""), prepare: FilterScript.Copy);
        Tool sent = await Tool.RunAsync(SourceTree.Executable, ["sendmail", "--state", server.State, "-f", "me@example.org", "you@example.org"], "Subject: x\n\nbody\n");
        Assert.True(sent.ExitCode == 0, sent.ToString());
        Assert.Contains(" ip=127.0.0.1 ", await server.ReadMailAsync("you"), StringComparison.Ordinal);
        await NoneDiedAsync(server, "strict");
    }

    [Fact]
    public async Task Answers_of_many_sessions_change_places()
    {
        await using RunningServer server = await FilterScript.ServeAsync("asynchronous");
        await Task.WhenAll(Enumerable.Range(0, 20).Select(async number =>
        {
            using SmtpClient client = await SmtpClient.ConnectAsync(server.Port);
            await client.SayAsync($"EHLO c{number}.example.org", "250");
            for (int i = 0; i < 3; i++)
            {
                string reply = await client.SendMessageAsync("me@example.org", [$"c{number}@example.org"], $"Subject: {i}\n\nfrom c{number}");
                Assert.True(reply.StartsWith("250 ", StringComparison.Ordinal), reply);
            }

            await client.SayAsync("QUIT", "221");
        }));
        for (int number = 0; number < 20; number++)
        {
            foreach (string file in await server.WaitForMailAsync($"c{number}", 3))
            {
                string mail = await File.ReadAllTextAsync(file, TestContext.Current.CancellationToken);
                Assert.Contains($"\nX-Helo: c{number}.example.org\n", mail, StringComparison.Ordinal);
                Assert.EndsWith($"\n\nfrom c{number}\n", mail, StringComparison.Ordinal);
            }
        }

        Assert.Single(FilterScript.ProcessesOf(server, "asynchronous"));
    }

    [Fact]
    public async Task Libopensmtpd_takes_lines_to_the_letter_and_answers_with_the_last_token()
    {
        await using RunningServer server = await RunningServer.StartAsync(
            FilterScript.Configuration("admd \"authority.example\"\n" + FilterScript.Statement("last_token"), "\"last_token\""), prepare: FilterScript.Copy);
        (string mail, _) = await TalkAsync(server);
        Assert.Contains("\nX-Admd: authority.example\n", mail, StringComparison.Ordinal);
        Assert.EndsWith("\n\n.\nbody | with | bars |\n \n|\n..\n", mail, StringComparison.Ordinal);
        await NoneDiedAsync(server, "last_token");
    }

    [Fact]
    public async Task Perls_filters_hear_the_whole_handshake_at_once_and_register_events_one_by_one()
    {
        await using RunningServer server = await FilterScript.ServeAsync("impatient");
        (string mail, _) = await TalkAsync(server);
        Assert.Contains("\nX-Filtered: yes\n", mail, StringComparison.Ordinal);
        await NoneDiedAsync(server, "impatient");
    }

    [Fact]
    public async Task Pythons_filters_want_everything_and_strip_lines()
    {
        await using RunningServer server = await FilterScript.ServeAsync("stripping");
        (string mail, _) = await TalkAsync(server);
        Assert.Contains("\nX-Filtered: yes\n", mail, StringComparison.Ordinal);
        Assert.EndsWith("\n\n.\nbody | with | bars |\n\n|\n..\n", mail, StringComparison.Ordinal);
        await NoneDiedAsync(server, "stripping");
    }
}

using System.Text;
using System.Text.RegularExpressions;
using Posthouse.SystemTests.Support;

namespace Posthouse.SystemTests.Filters;

/// <summary>All that a filter is told of a session, in its order; numbers that differ from run to run are named by what they are.</summary>
public class TranscriptTests
{
    private static readonly (Regex Pattern, string Name)[] s_names =
    [
        (new(@"^(report|filter)\|0\.7\|\d{10}\.\d{6}\|smtp-in\|"), "$1 "),
        (new(@"^(filter [a-z-]+\|S\|)[0-9a-f]{16}\|"), "$1TOKEN|"),
        (new(@"\b127\.0\.0\.1:\d+"), "127.0.0.1:PORT"),
        (new(@"^(report link-connect\|S\|)[^|]*\|(?:pass|fail|error)\|"), "$1NAME|CONFIRMED|"),
        (new(@"^(filter connect\|S\|TOKEN\|)[^|]*\|"), "$1NAME|"),
        (new(@"^(report link-greeting\|S\|).+$"), "$1HOST"),
        (new(@"^(report protocol-server\|S\|\d{3}[ -]).*$"), "$1..."),
        (new(@"^(report tx-commit\|S\|MESSAGE\|)\d+$"), "$1SIZE"),
        (new(@"^(filter data-line\|S\|TOKEN\|\t).*$"), "$1..."),
        (new(@"^(filter data-line\|S\|TOKEN\|Received: ).*$"), "$1..."),
    ];

    private static async Task<string> TranscriptAsync(Func<SmtpClient, Task> talk)
    {
        await using RunningServer server = await FilterScript.ServeAsync("recorder");
        using (SmtpClient client = await SmtpClient.ConnectAsync(server.Port))
            await talk(client);
        string text = await server.WaitForFileAsync(server.Home + "/transcript", static text => text.Contains("|link-disconnect|", StringComparison.Ordinal) && text.EndsWith('\n'));
        Assert.Equal(1, text.Split('\n').Count(static line => line.Contains("|link-connect|", StringComparison.Ordinal)));

        string session = Regex.Match(text, @"\|link-connect\|([0-9a-f]{16})\|").Groups[1].Value;
        Assert.NotEmpty(session);
        text = text.Replace($"|{session}", "|S", StringComparison.Ordinal);
        foreach (string message in Regex.Matches(text, @"\|tx-begin\|S\|([0-9a-f]{8})\n").Select(static match => match.Groups[1].Value))
        {
            text = Regex.Replace(text, $@"\|{message}[0-9a-f]{{8}}\b", "|ENVELOPE");
            text = text.Replace($"|{message}", "|MESSAGE", StringComparison.Ordinal);
        }

        StringBuilder transcript = new();
        string? before = null;
        foreach (string line in text.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            string named = s_names.Aggregate(line, static (line, name) => name.Pattern.Replace(line, name.Name));
            // Of the lines of a reply to EHLO, and of Received, how many there are is not told.
            if (named != before) transcript.Append(named).Append('\n');
            before = named;
        }

        return transcript.ToString();
    }

    [Fact]
    public async Task One_message()
    {
        string transcript = await TranscriptAsync(static async client =>
        {
            await client.SayAsync("EHLO client.example.org", "250");
            Assert.StartsWith("250 ", await client.SendMessageAsync("me@example.org", ["you@example.org"], "Date: Sat, 28 Nov 2026 12:00:00 +0000\nMessage-Id: <1@client.example.org>\n\n.\na|b"), StringComparison.Ordinal);
            await client.SayAsync("QUIT", "221");
        });
        Assert.Equal("""
            report link-connect|S|NAME|CONFIRMED|127.0.0.1:PORT|127.0.0.1:PORT
            filter connect|S|TOKEN|NAME|127.0.0.1
            report filter-response|S|connected|proceed
            report protocol-server|S|220 ...
            report link-greeting|S|HOST
            report protocol-client|S|EHLO client.example.org
            filter ehlo|S|TOKEN|client.example.org
            report filter-response|S|ehlo|proceed
            report link-identify|S|EHLO|client.example.org
            report protocol-server|S|250-...
            report protocol-server|S|250 ...
            report protocol-client|S|MAIL FROM:<me@example.org>
            filter mail-from|S|TOKEN|me@example.org
            report filter-response|S|mail-from|proceed
            report protocol-server|S|250 ...
            report tx-begin|S|MESSAGE
            report tx-mail|S|MESSAGE|ok|me@example.org
            report protocol-client|S|RCPT TO:<you@example.org>
            filter rcpt-to|S|TOKEN|you@example.org
            report filter-response|S|rcpt-to|proceed
            report tx-envelope|S|MESSAGE|ENVELOPE
            report protocol-server|S|250 ...
            report tx-rcpt|S|MESSAGE|ok|you@example.org
            report protocol-client|S|DATA
            filter data|S|TOKEN|
            report filter-response|S|data|proceed
            report protocol-server|S|354 ...
            report tx-data|S|MESSAGE|ok
            filter data-line|S|TOKEN|Received: ...
            filter data-line|S|TOKEN|	...
            filter data-line|S|TOKEN|Date: Sat, 28 Nov 2026 12:00:00 +0000
            filter data-line|S|TOKEN|Message-Id: <1@client.example.org>
            filter data-line|S|TOKEN|
            filter data-line|S|TOKEN|..
            filter data-line|S|TOKEN|a|b
            filter data-line|S|TOKEN|.
            report protocol-client|S|.
            filter commit|S|TOKEN|
            report filter-response|S|commit|proceed
            report protocol-server|S|250 ...
            report tx-commit|S|MESSAGE|SIZE
            report tx-reset|S|MESSAGE
            report protocol-client|S|QUIT
            filter quit|S|TOKEN|
            report filter-response|S|quit|proceed
            report protocol-server|S|221 ...
            report link-disconnect|S

            """, transcript, ignoreLineEndingDifferences: true);
    }

    [Fact]
    public async Task No_message()
    {
        string transcript = await TranscriptAsync(static async client =>
        {
            await client.SayAsync("HELO client.example.org", "250");
            await client.SayAsync("NOOP", "250");
            await client.SayAsync("MAIL FROM:<me@example.org>", "250");
            await client.SayAsync("RSET", "250");
            await client.SayAsync("MAIL FROM:<>", "250");
        });
        Assert.Equal("""
            report link-connect|S|NAME|CONFIRMED|127.0.0.1:PORT|127.0.0.1:PORT
            filter connect|S|TOKEN|NAME|127.0.0.1
            report filter-response|S|connected|proceed
            report protocol-server|S|220 ...
            report link-greeting|S|HOST
            report protocol-client|S|HELO client.example.org
            filter helo|S|TOKEN|client.example.org
            report filter-response|S|helo|proceed
            report link-identify|S|HELO|client.example.org
            report protocol-server|S|250 ...
            report protocol-client|S|NOOP
            filter noop|S|TOKEN|
            report filter-response|S|noop|proceed
            report protocol-server|S|250 ...
            report protocol-client|S|MAIL FROM:<me@example.org>
            filter mail-from|S|TOKEN|me@example.org
            report filter-response|S|mail-from|proceed
            report protocol-server|S|250 ...
            report tx-begin|S|MESSAGE
            report tx-mail|S|MESSAGE|ok|me@example.org
            report protocol-client|S|RSET
            filter rset|S|TOKEN|
            report filter-response|S|rset|proceed
            report tx-rollback|S|MESSAGE
            report tx-reset|S|MESSAGE
            report protocol-server|S|250 ...
            report protocol-client|S|MAIL FROM:<>
            filter mail-from|S|TOKEN|
            report filter-response|S|mail-from|proceed
            report protocol-server|S|250 ...
            report tx-begin|S|MESSAGE
            report tx-mail|S|MESSAGE|ok|
            report tx-rollback|S|MESSAGE
            report tx-reset|S|MESSAGE
            report link-disconnect|S

            """, transcript, ignoreLineEndingDifferences: true);
    }
}

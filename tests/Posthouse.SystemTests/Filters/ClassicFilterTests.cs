using System.Text;
using Posthouse.Plugs.Filters;
using Posthouse.Plugs.Testing;
using Posthouse.SystemTests.Support;

namespace Posthouse.SystemTests.Filters;

/// <summary>The three small filters in C#, as processes.</summary>
public class ClassicFilterTests
{
    private static string Executable(string name) => Path.Combine(SourceTree.Root, "extras", "filters", name, "bin", "Debug", "net10.0", name);

    private static async Task<FilterMail> SendAsync(FilterHarness harness, string mail) =>
        await (await harness.ConnectAsync()).SendAsync(Encoding.UTF8.GetBytes(mail));

    [Theory, InlineData(false), InlineData(true)]
    public async Task Leet_changes_the_body_alone(bool bulk)
    {
        await using FilterHarness harness = await FilterHarness.StartAsync(Executable("leet-cs"), [], new() { OffersBulk = bulk });
        FilterMail sent = await SendAsync(harness, "Subject: leet\r\n\r\n.leet speak\r\n--boundary\r\n");
        Assert.Equal("Subject: leet\r\n\r\n.l337 5p34k\r\n--boundary\r\n", Encoding.UTF8.GetString(sent.Content!));
    }

    [Theory, InlineData(false), InlineData(true)]
    public async Task Word_refuses_at_commit(bool bulk)
    {
        await using FilterHarness harness = await FilterHarness.StartAsync(Executable("word-cs"), ["casino"], new() { OffersBulk = bulk });
        Assert.Equal("550 5.7.1 This word is not taken here", (await SendAsync(harness, "Subject: x\r\n\r\nthe Casino\r\n")).Verdict.Parameter);
        Assert.Equal(Verdict.Proceed, (await SendAsync(harness, "Subject: x\r\n\r\nthe opera\r\n")).Verdict);
    }

    [Fact]
    public async Task Trace_writes_down_everything_but_passwords()
    {
        string folder = Directory.CreateTempSubdirectory("trace-").FullName, file = Path.Combine(folder, "trace");
        await using (FilterHarness harness = await FilterHarness.StartAsync(Executable("trace-cs"), [file]))
        {
            FilterHarnessSession session = await harness.ConnectAsync();
            await session.AskAsync("auth", "PLAIN AGpvZQBzZWNyZXQ=");
            await session.SendAsync("Subject: x\n\nbody\n"u8.ToArray());
            await session.QuitAsync();
        }

        string text = await File.ReadAllTextAsync(file);
        Directory.Delete(folder, recursive: true);
        foreach (string expected in (string[])["event link-connect client.example.org|pass|", "request connect client.example.org 192.0.2.1", "request helo", "request auth PLAIN ********",
            "request mail-from sender@example.org", "request rcpt-to recipient@example.net", "message Subject: x", "message body", "request commit", "event tx-commit", "request quit", "event link-disconnect"])
            Assert.Contains(expected, text, StringComparison.Ordinal);
        Assert.DoesNotContain("AGpvZ", text, StringComparison.Ordinal);
    }
}

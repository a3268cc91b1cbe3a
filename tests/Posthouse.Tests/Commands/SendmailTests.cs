using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Time.Testing;
using Posthouse.Commands;
using Posthouse.Commands.Submission;

namespace Posthouse.Tests.Commands;

public sealed class SendmailTests : IDisposable
{
    private readonly string _state = Directory.CreateTempSubdirectory("posthouse-sendmail-").FullName;

    private Author Me => new("me", "M. Myself", _state);

    public void Dispose() => Directory.Delete(_state, true);

    [Fact]
    public async Task A_message_is_submitted_to_those_on_the_command_line()
    {
        (int status, string dialogue) = await RunAsync("Subject: hi\nBcc: hidden@e.org\n\n.body\n", ["-i", "-f", "me@example.org", "-F", "Jane Doe", "a@b.org", "c@d.org"]);
        Assert.Equal(0, status);
        Assert.Contains("EHLO localhost\r\nMAIL FROM:<me@example.org>\r\nRCPT TO:<a@b.org>\r\nRCPT TO:<c@d.org>\r\nDATA\r\n", dialogue);
        Assert.Contains("Subject: hi\r\nFrom: Jane Doe <me@example.org>\r\nDate: Sat, 1 Jan 2000 00:00:00 +0000\r\n\r\n..body\r\n.\r\nQUIT\r\n", dialogue);
        Assert.DoesNotContain("hidden", dialogue);
    }

    [Fact]
    public async Task Recipients_are_taken_from_the_header()
    {
        (int status, string dialogue) = await RunAsync("From: x@y.org\nDate: now\nTo: A <a@b.org>, a@b.org\nCc: c@d.org\nBcc: e@f.org\n\nb\n", ["-t"]);
        Assert.Equal(0, status);
        Assert.Contains("RCPT TO:<a@b.org>\r\nRCPT TO:<c@d.org>\r\nRCPT TO:<e@f.org>\r\nDATA\r\n", dialogue);
        Assert.Contains("From: x@y.org\r\nDate: now\r\nTo: A <a@b.org>, a@b.org\r\nCc: c@d.org\r\n\r\nb\r\n.\r\n", dialogue);
    }

    [Fact]
    public async Task Notifications_and_eight_bits_are_asked_for_where_offered()
    {
        (int status, string dialogue) = await RunAsync("Subject: x\n\n\u00e9\n", ["-N", "success,failure", "-R", "hdrs", "-V", "a+b", "-f", "<>", "a@b.org"]);
        Assert.Equal(0, status);
        Assert.Contains("MAIL FROM:<> BODY=8BITMIME RET=HDRS ENVID=a+2Bb\r\nRCPT TO:<a@b.org> NOTIFY=SUCCESS,FAILURE\r\n", dialogue);
        Assert.Contains("From: \"M. Myself\" <me>\r\n", dialogue);
    }

    [Theory]
    [InlineData("550 5.1.1 no such user", 69)]
    [InlineData("451 4.3.0 later", 75)]
    public async Task A_refusal_is_told_and_nobody_gets_the_message(string refusal, int expected)
    {
        TestTerminal terminal = new("Subject: x\n\nb\n");
        (int status, string dialogue) = await RunAsync(terminal, ["a@b.org", "bad@b.org"], refusal);
        Assert.Equal(expected, status);
        Assert.DoesNotContain("DATA", dialogue);
        Assert.Contains($"bad@b.org: {refusal}", terminal.Error);
        Assert.Contains("dead.letter", terminal.Error);
    }

    [Theory]
    [InlineData(64)]
    [InlineData(64, "-q", "a@b.org")]
    [InlineData(64, "-N", "sometimes", "a@b.org")]
    [InlineData(64, "a@b.org\r\nRSET")]
    [InlineData(65, "-t")]
    public void A_wrong_command_line_sends_nothing(int expected, params string[] args) =>
        Assert.Equal(expected, SendmailCommand.Run(["--state", _state, .. args], new TestTerminal("Subject: x\n\nb\n").Terminal));

    [Fact]
    public void Traditional_options_are_taken()
    {
        SendmailOptions? options = SendmailOptions.Parse(["-oi", "-oem", "-odb", "-bm", "-Am", "-em", "-r", "me", "-v", "--", "-x@y.org"], out string? error);
        Assert.Null(error);
        Assert.True(options!.IgnoresDots);
        Assert.True(options.IsVerbose);
        Assert.Equal("me", options.Sender);
        Assert.Null(options.Mode);
        Assert.Equal(["-x@y.org"], options.Recipients);
        Assert.Equal('p', SendmailOptions.Parse(["-bp"], out _)!.Mode);
        Assert.Equal('i', SendmailOptions.Parse(["-bi"], out _)!.Mode);
    }

    [Fact]
    public void Without_a_server_the_caller_may_try_again()
    {
        TestTerminal terminal = new("Subject: x\n\nb\n");
        Assert.Equal(75, SendmailCommand.Run(["--state", _state, "a@b.org"], terminal.Terminal, author: Me));
        Assert.Contains("smtp.sock", terminal.Error);
        string saved = File.ReadAllText(Path.Combine(_state, "dead.letter"));
        Assert.StartsWith("From me ", saved);
        Assert.EndsWith("\nSubject: x\n\nb\n\n\n", saved);
    }

    private Task<(int Status, string Dialogue)> RunAsync(string message, string[] args) => RunAsync(new TestTerminal(message), args, "250 ok");

    /// <summary>Runs the command against a server that accepts everything but recipients that begin with "bad".</summary>
    private async Task<(int Status, string Dialogue)> RunAsync(TestTerminal terminal, string[] args, string answerToBad)
    {
        using Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(Path.Combine(_state, "smtp.sock")));
        listener.Listen();
        Task<string> serving = Task.Run(async () =>
        {
            using Socket client = await listener.AcceptAsync();
            using NetworkStream stream = new(client);
            using StreamReader reader = new(stream, Encoding.Latin1);
            StringBuilder dialogue = new();
            await stream.WriteAsync("220 test ESMTP\r\n"u8.ToArray());
            bool inData = false;
            while (await reader.ReadLineAsync() is { } line)
            {
                dialogue.Append(line).Append("\r\n");
                if (inData && line != ".")
                    continue;
                inData = line == "DATA";
                string reply = line.StartsWith("EHLO", StringComparison.Ordinal) ? "250-test\r\n250-8BITMIME\r\n250-DSN\r\n250 HELP"
                    : inData ? "354 go on"
                    : line.StartsWith("RCPT TO:<bad", StringComparison.Ordinal) ? answerToBad
                    : "250 2.0.0 fine";
                await stream.WriteAsync(Encoding.ASCII.GetBytes(reply + "\r\n"));
            }
            return dialogue.ToString();
        });
        FakeTimeProvider time = new(new DateTimeOffset(2000, 1, 1, 0, 0, 0, TimeSpan.Zero));
        int status = await Task.Run(() => SendmailCommand.Run(["--state", _state, .. args], terminal.Terminal, time, Me));
        return (status, await serving);
    }
}

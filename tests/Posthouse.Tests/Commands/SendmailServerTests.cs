using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Posthouse.Commands;
using Posthouse.Commands.Submission;
using Posthouse.Plugs;
using Posthouse.Server.Transport;
using Posthouse.Tests.Receiving;

namespace Posthouse.Tests.Commands;

/// <summary>sendmail with the real receiver at the other end of the socket.</summary>
public sealed class SendmailServerTests : IAsyncDisposable
{
    private readonly string _state = Directory.CreateTempSubdirectory("posthouse-sendmail-").FullName;
    private readonly SmtpServerFixture _server = new(SmtpServerFixture.Profile with { IsLocalSocket = true });
    private readonly DeadlineWatch _watch = new(TimeProvider.System);
    private readonly CancellationTokenSource _stop = new();
    private readonly Listener _listener;
    private readonly Task _running;

    public SendmailServerTests()
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(Path.Combine(_state, "smtp.sock")));
        socket.Listen();
        _listener = new Listener(socket, _watch, new SessionLimiter(10, 10), _server.Receiver.ServeAsync, NullLogger.Instance);
        _running = _listener.RunAsync(_stop.Token);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running;
        _listener.Dispose();
        await _server.DisposeAsync();
        _watch.Dispose();
        _stop.Dispose();
        Directory.Delete(_state, true);
    }

    [Fact]
    public async Task Bare_names_are_completed_and_the_header_is_finished_by_the_server()
    {
        TestTerminal terminal = new("To: user\nSubject: hello\nBcc: second@example.org\n\n.dot\nline\n");
        Assert.Equal((0, ""), await RunAsync(terminal, "-t"));
        Assert.Equal(["second@example.org", "user@mx.example.org"], _server.Envelopes.Select(static envelope => envelope.Recipient).Order());
        Assert.All(_server.Envelopes, static envelope => Assert.Equal("me@mx.example.org", envelope.Sender));
        string message = await ContentAsync();
        Assert.Contains("From: Me <me@mx.example.org>\r\n", message);
        Assert.Contains("To: user@mx.example.org\r\n", message);
        Assert.Contains("\r\nMessage-I", message);
        Assert.Contains("\r\nDate: ", message);
        Assert.DoesNotContain("Bcc", message);
        Assert.EndsWith("\r\n\r\n.dot\r\nline\r\n", message);
    }

    [Fact]
    public async Task Long_lines_and_control_bytes_arrive_encoded()
    {
        TestTerminal terminal = new($"Subject: x\n\n{new string('x', 5000)}\na\rb\0c\n");
        Assert.Equal((0, ""), await RunAsync(terminal, "-f", "", "a@example.org"));
        Envelope envelope = Assert.Single(_server.Envelopes);
        Assert.Equal("", envelope.Sender);
        string message = await ContentAsync();
        Assert.Contains("Content-Transfer-Encoding: quoted-printable\r\n", message);
        Assert.EndsWith("\r\na=0Db=00c\r\n", message);
    }

    [Fact]
    public async Task A_recipient_that_is_refused_is_named()
    {
        TestTerminal terminal = new("Subject: x\n\nb\n");
        (int status, string error) = await RunAsync(terminal, "a@example.org", "nobody@example.org");
        Assert.Equal(69, status);
        Assert.Contains("nobody@example.org: 550", error);
        Assert.Empty(_server.Envelopes);
    }

    [Fact]
    public async Task Addresses_in_utf8_are_sent_as_such()
    {
        TestTerminal terminal = new("Subject: x\n\nb\n");
        Assert.Equal((0, ""), await RunAsync(terminal, "jürgen@example.org"));
        Assert.Equal("jürgen@example.org", Assert.Single(_server.Envelopes).Recipient);
    }

    private async Task<(int Status, string Error)> RunAsync(TestTerminal terminal, params string[] args)
    {
        Author author = new("me", "Me", _state);
        int status = await Task.Run(() => SendmailCommand.Run(["--state", _state, .. args], terminal.Terminal, author: author));
        return (status, terminal.Error);
    }

    private async Task<string> ContentAsync()
    {
        (_, Stream? content) = await _server.Queue.OpenMessageAsync(_server.Envelopes[0].Id.Message, TestContext.Current.CancellationToken);
        await using (content)
        {
            using StreamReader reader = new(content!, Encoding.UTF8);
            return await reader.ReadToEndAsync(TestContext.Current.CancellationToken);
        }
    }
}

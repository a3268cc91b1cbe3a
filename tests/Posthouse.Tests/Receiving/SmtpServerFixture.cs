using System.Net;
using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using Posthouse.Plugs;
using Posthouse.Server.Model;
using Posthouse.Server.Queueing;
using Posthouse.Server.Receiving;
using Posthouse.Server.Rules;
using Posthouse.Server.Transport;
using Posthouse.Tests.Transport;
using Posthouse.Wire;

namespace Posthouse.Tests.Receiving;

/// <summary>A receiver with a queue in memory, a clock that stands still, and rules that take all of example.org but nobody and later.</summary>
internal sealed class SmtpServerFixture : IAsyncDisposable, ILogger
{
    private readonly DeadlineWatch _watch;
    private readonly List<Task> _sessions = [];
    private readonly List<SocketPair> _pairs = [];
    private readonly byte[] _received = new byte[256 * 1024];

    public SmtpServerFixture(SessionProfile? profile = null, Func<ReceivingServices, ReceivingServices>? change = null)
    {
        _watch = new(Time);
        Queue = new(new RamQueue(), new MailQueueOptions(), Time, this, Counters);
        Queue.Committed += envelopes => Envelopes.AddRange(envelopes);
        ReceivingServices services = new()
        {
            Queue = Queue,
            Resolve = ResolveAsync,
            AuthDelay = () => TimeSpan.Zero,
            Time = Time,
            Logger = this,
            Counters = Counters,
        };
        Receiver = new(profile ?? Profile, change?.Invoke(services) ?? services);
    }

    public static SessionProfile Profile { get; } = new() { ServerName = "mx.example.org" };

    public FakeTimeProvider Time { get; } = new(new DateTimeOffset(2026, 1, 2, 3, 4, 5, TimeSpan.Zero));

    public Counters Counters { get; } = new();

    public MailQueue Queue { get; }

    public SmtpReceiver Receiver { get; }

    public List<Envelope> Envelopes { get; } = [];

    public List<string> Log { get; } = [];

    public Task Session => _sessions[^1];

    /// <summary>Connects; <paramref name="client"/> is the address that the server sees, loopback when not given.</summary>
    public async Task<Socket> ConnectAsync(string? client = null, SessionAdmission admission = SessionAdmission.Admitted, int port = 25)
    {
        SocketPair pair = await SocketPair.TcpAsync(_watch);
        pair.Client.NoDelay = true;
        pair.Client.ReceiveTimeout = pair.Client.SendTimeout = 10_000;
        _pairs.Add(pair);
        if (client != null)
            pair.Server.SetProxied(new IPEndPoint(IPAddress.Parse(client), 40000), new IPEndPoint(IPAddress.Loopback, port));
        _sessions.Add(ServeAsync(pair.Server, admission));
        return pair.Client;
    }

    public async Task<Socket> ConnectUnixAsync()
    {
        string path = Path.Combine(Path.GetTempPath(), $"ph{Guid.NewGuid():n}.sock");
        SocketPair pair = await SocketPair.UnixAsync(path, _watch);
        File.Delete(path);
        pair.Client.ReceiveTimeout = 10_000;
        _pairs.Add(pair);
        _sessions.Add(ServeAsync(pair.Server, SessionAdmission.Admitted));
        return pair.Client;
    }

    /// <summary>Sends text as Latin-1 unless it is UTF-8.</summary>
    public static Task SendAsync(Socket client, string text) => client.SendAsync(Encoding.UTF8.GetBytes(text));

    /// <summary>Reads whole replies, <paramref name="count"/> of them, or what comes before the end.</summary>
    public async Task<string> ReadRepliesAsync(Socket client, int count)
    {
        StringBuilder text = new();
        ReplyParser parser = new();
        while (count > 0)
        {
            int length = await client.ReceiveAsync(_received.AsMemory(0, 1)).AsTask().WaitAsync(TimeSpan.FromSeconds(60));
            if (length == 0)
                break;
            text.Append(Encoding.Latin1.GetString(_received, 0, length));
            // 334 and 354 are read as well; the parser takes 2yz to 5yz.
            ReplyParseStatus status = parser.Parse(_received.AsSpan(0, length), out _, out _);
            Assert.NotEqual(ReplyParseStatus.Malformed, status);
            if (status == ReplyParseStatus.Complete)
                count--;
        }
        return Encoding.UTF8.GetString(Encoding.Latin1.GetBytes(text.ToString()));
    }

    public async Task<string> AskAsync(Socket client, string line, int replies = 1)
    {
        await SendAsync(client, line);
        return await ReadRepliesAsync(client, replies);
    }

    public async Task<string> ReadToEndAsync(Socket client)
    {
        StringBuilder text = new();
        for (int length; (length = await client.ReceiveAsync(_received).WaitAsync(TimeSpan.FromSeconds(60))) > 0;)
            text.Append(Encoding.UTF8.GetString(_received, 0, length));
        return text.ToString();
    }

    /// <summary>Completes when all sessions wait for their clients with nothing left to send.</summary>
    public async Task SettleAsync()
    {
        for (int i = 0; i < 5000 && Receiver.Waiting < Receiver.Open; i++)
            await Task.Delay(1);
        Assert.Equal(Receiver.Open, Receiver.Waiting);
    }

    public async Task<string> ContentAsync(MessageId message)
    {
        OpenedMessage opened = await Queue.OpenMessageAsync(message);
        Assert.True(opened.Result.IsOk);
        await using Stream body = opened.Content!;
        using MemoryStream copy = new();
        await body.CopyToAsync(copy);
        return Encoding.UTF8.GetString(copy.ToArray());
    }

    public async ValueTask DisposeAsync()
    {
        foreach (SocketPair pair in _pairs)
            await pair.DisposeAsync();
        await Task.WhenAll(_sessions).WaitAsync(TimeSpan.FromSeconds(60));
        await Queue.DisposeAsync();
        _watch.Dispose();
    }

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    void ILogger.Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        lock (Log)
            Log.Add(formatter(state, exception) + (exception == null ? "" : $" {exception}"));
    }

    private async Task ServeAsync(Connection connection, SessionAdmission admission)
    {
        await using (connection)
            await Receiver.ServeAsync(connection, admission);
    }

    private static ValueTask<Resolution> ResolveAsync(SessionContext session, Mailbox recipient, CancellationToken cancellation) => new(recipient switch
    {
        { LocalPart: "nobody" } => Resolution.Refuse(new(550, new(5, 1, 1), $"Invalid recipient: <{recipient}>")),
        { LocalPart: "later" } => Resolution.Refuse(new(451, new(4, 3, 0), $"Temporary failure: <{recipient}>")),
        { LocalPart: "bug" } => throw new InvalidOperationException("a bug in the rules"),
        _ => Resolution.Accept(
        [
            new EnvelopePrototype
            {
                Kind = EnvelopeKind.Mda,
                Action = "local",
                Rule = "smtpd.conf:1",
                Destination = recipient.ToString(),
                User = recipient.LocalPart,
                Ttl = TimeSpan.FromDays(4),
            },
        ]),
    });
}

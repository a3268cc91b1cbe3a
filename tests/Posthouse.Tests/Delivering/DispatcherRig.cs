using System.Text;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Time.Testing;
using Posthouse.Plugs;
using Posthouse.Server.Delivering;
using Posthouse.Server.Model;
using Posthouse.Server.Queueing;
using Posthouse.Server.Scheduling;

namespace Posthouse.Tests.Delivering;

/// <summary>A dispatcher over a queue in memory and the real scheduler, with a clock and deliveries that a test drives.</summary>
internal sealed class DispatcherRig : IAsyncDisposable
{
    public const long Start = 1_700_000_000;

    public DispatcherRig(DispatcherOptions? options = null, Func<DispatcherRig, IDelivery>? bounces = null, IQueue? store = null, InFlightRecord? record = null)
    {
        Time = new(DateTimeOffset.FromUnixTimeSeconds(Start));
        Queue = new(store ?? new RamQueue(), new(), Time, Log, Counters);
        Scheduler = new(new RamScheduler(Time));
        Dictionary<EnvelopeKind, IDelivery> deliveries = new() { [EnvelopeKind.Mda] = Local };
        deliveries[EnvelopeKind.Bounce] = bounces?.Invoke(this) ?? Bounces;
        Dispatcher = new(Queue, Scheduler, deliveries, options ?? new() { ServerName = "mx.example.org" }, Time, Log, Counters, record);
        Control = new(Dispatcher);
    }

    public FakeTimeProvider Time { get; }

    public RecordingLogger Log { get; } = new();

    public Counters Counters { get; } = new();

    public MailQueue Queue { get; }

    public ObservedScheduler Scheduler { get; }

    public ScriptedDelivery Local { get; } = new();

    public ScriptedDelivery Bounces { get; } = new();

    public Dispatcher Dispatcher { get; }

    public QueueControl Control { get; }

    public long Now => Time.GetUtcNow().ToUnixTimeSeconds();

    public async Task<IReadOnlyList<Envelope>> AcceptAsync(int recipients = 1, Func<Envelope, Envelope>? change = null, string content = "Subject: x\r\n\r\nbody\r\n")
    {
        (_, MessageWriter? writer) = await Queue.CreateMessageAsync();
        await writer!.WriteAsync(Encoding.Latin1.GetBytes(content));
        for (int i = 0; i < recipients; i++)
        {
            Envelope envelope = new()
            {
                Id = writer.DrawEnvelopeId(),
                Session = "0123456789abcdef",
                Kind = EnvelopeKind.Mda,
                Action = "local",
                Sender = "sender@example.net",
                Recipient = $"user{i}@example.org",
                Destination = $"user{i}@example.org",
                User = $"user{i}",
                Size = content.Length,
                Created = Now,
                Expires = Now + 345_600,
            };
            writer.AddEnvelope(change?.Invoke(envelope) ?? envelope);
        }

        Assert.True((await writer.CommitAsync()).IsOk);
        return writer.Envelopes;
    }

    public async Task<List<Envelope>> WalkAsync()
    {
        List<Envelope> all = [];
        await foreach (Envelope envelope in Queue.WalkAsync())
            all.Add(envelope);
        return all;
    }

    public async ValueTask DisposeAsync()
    {
        await Dispatcher.DisposeAsync();
        await Queue.DisposeAsync();
    }
}

/// <summary>Keeps what is logged.</summary>
internal sealed class RecordingLogger : ILogger
{
    private readonly List<string> _lines = [];
    private readonly Channel<string> _written = Channel.CreateUnbounded<string>();

    public string[] Lines
    {
        get
        {
            lock (_lines)
                return [.. _lines];
        }
    }

    /// <summary>Waits for so many lines.</summary>
    public async Task UntilAsync(Func<string, bool> isMeant, int count)
    {
        using CancellationTokenSource deadline = new(TimeSpan.FromSeconds(60));
        while (count > 0)
        {
            if (isMeant(await _written.Reader.ReadAsync(deadline.Token)))
                count--;
        }
    }

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        string line = formatter(state, exception);
        lock (_lines)
            _lines.Add(line);
        _written.Writer.TryWrite(line);
    }
}

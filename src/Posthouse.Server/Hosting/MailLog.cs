using System.Globalization;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;

namespace Posthouse.Server.Hosting;

/// <summary>
/// The server's log: one line per event, in maillog form or as JSON. Sessions only append to a buffer in memory; a
/// thread of its own writes it out, so a slow or stuck reader of the log costs the mail nothing. The buffer is bounded:
/// lines beyond it are dropped and counted. Control characters are written as <c>\xNN</c>, so no stranger can forge a line.
/// </summary>
public sealed class MailLog : ILoggerFactory
{
    private const int Capacity = 4 << 20;
    private const int AtomicWrite = 4096;
    private static readonly TimeSpan s_patience = TimeSpan.FromMilliseconds(5);

    private readonly Lock _lock = new();
    private readonly AutoResetEvent _written = new(false);
    private readonly Stream _output;
    private readonly TimeProvider _time;
    private readonly Thread _writer;
    private readonly bool _json;
    private byte[] _filling = new byte[16 << 10];
    private byte[] _draining = new byte[16 << 10];
    private int _length;
    private long _dropped;
    private bool _closed;
    private volatile int _traced;

    /// <summary>Starts a log onto <paramref name="output"/>, which it does not close.</summary>
    public MailLog(Stream output, TimeProvider time, bool json = false)
    {
        _output = output;
        _time = time;
        _json = json;
        _writer = new Thread(Write) { IsBackground = true, Name = "log" };
        _writer.Start();
    }

    /// <summary>The least severe level that is written. May be changed at any time.</summary>
    public LogLevel Level { get; set; } = LogLevel.Information;

    /// <summary>Writes all of a subsystem's lines, whatever <see cref="Level"/> is, or no longer; false when there is none of that name (see <see cref="LogSubsystem"/>).</summary>
    public bool Trace(string subsystem, bool on)
    {
        if (!LogSubsystem.TryFind(subsystem, out int areas)) return false;
        _ = on ? Interlocked.Or(ref _traced, areas) : Interlocked.And(ref _traced, ~areas);
        return true;
    }

    /// <inheritdoc/>
    public ILogger CreateLogger(string categoryName) => new Logger(this, categoryName);

    /// <summary>Not supported: this log is the only place that lines go to.</summary>
    /// <exception cref="NotSupportedException">Always.</exception>
    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

    /// <summary>Writes what is left, for two seconds at the most, and stops.</summary>
    public void Dispose()
    {
        lock (_lock)
        {
            if (_closed) return;
            _closed = true;
            _written.Set();
        }

        if (_writer.Join(TimeSpan.FromSeconds(2))) _written.Dispose();
    }

    private void Append(LogLevel level, EventId id, string category, string text)
    {
        string line = _json ? Json(level, id, category, text) : Escape(text);
        int most = Encoding.UTF8.GetMaxByteCount(line.Length) + 1;
        lock (_lock)
        {
            if (_closed) return;
            if (_length + most > Capacity)
            {
                _dropped++;
                return;
            }

            // Only the first line since the last write wakes the writer.
            if (_length == 0) _written.Set();
            if (_filling.Length - _length < most)
                Array.Resize(ref _filling, Math.Min(Capacity, Math.Max(_filling.Length * 2, _length + most)));
            _length += Encoding.UTF8.GetBytes(line, _filling.AsSpan(_length));
            _filling[_length++] = (byte)'\n';
        }
    }

    private void Write()
    {
        while (true)
        {
            _written.WaitOne();
            // A busy server logs thousands of lines a second: a few milliseconds of patience make one write of many.
            Thread.Sleep(s_patience);
            int length;
            long dropped;
            bool closed;
            lock (_lock)
            {
                (_filling, _draining) = (_draining, _filling);
                (length, _length) = (_length, 0);
                (dropped, _dropped) = (_dropped, 0);
                closed = _closed;
            }

            try
            {
                if (dropped > 0)
                    _output.Write(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"warn: log: {dropped} lines dropped, the reader of the log was too slow\n")));
                WriteLines(_draining.AsSpan(0, length));
                _output.Flush();
            }
            catch (IOException)
            {
                // Nobody reads the log any more. There is nowhere left to say so, and mail goes on.
            }

            if (_draining.Length > 256 << 10) _draining = new byte[16 << 10];
            // Nothing is appended once it is closed.
            if (closed) return;
        }
    }

    // The server's processes share one log. A pipe keeps writes of up to 4096 bytes whole (PIPE_BUF, pipe(7)), so each is of whole lines.
    private void WriteLines(ReadOnlySpan<byte> lines)
    {
        while (!lines.IsEmpty)
        {
            int end = lines.Length;
            if (end > AtomicWrite)
            {
                end = lines[..AtomicWrite].LastIndexOf((byte)'\n') + 1;
                if (end == 0) end = lines.IndexOf((byte)'\n') + 1;
            }

            _output.Write(lines[..end]);
            lines = lines[end..];
        }
    }

    private static string Escape(string text)
    {
        int at = 0;
        while (at < text.Length && !char.IsControl(text[at])) at++;
        if (at == text.Length) return text;
        StringBuilder escaped = new(text.Length + 16);
        escaped.Append(text, 0, at);
        foreach (char c in text.AsSpan(at))
        {
            if (char.IsControl(c)) escaped.Append(CultureInfo.InvariantCulture, $"\\x{(int)c:x2}");
            else escaped.Append(c);
        }

        return escaped.ToString();
    }

    private string Json(LogLevel level, EventId id, string category, string text)
    {
        using MemoryStream buffer = new();
        using (Utf8JsonWriter writer = new(buffer))
        {
            writer.WriteStartObject();
            writer.WriteString("time"u8, _time.GetUtcNow().UtcDateTime);
            writer.WriteString("level"u8, level.ToString());
            writer.WriteNumber("event"u8, id.Id);
            writer.WriteString("name"u8, id.Name);
            writer.WriteString("category"u8, category);
            writer.WriteString("text"u8, text);
            writer.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.GetBuffer(), 0, (int)buffer.Length);
    }

    private sealed class Logger(MailLog log, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => (logLevel >= log.Level || log._traced != 0) && logLevel != LogLevel.None;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (logLevel == LogLevel.None || (logLevel < log.Level && (log._traced & LogSubsystem.AreaOf(eventId)) == 0)) return;
            string text = formatter(state, exception);
            if (exception is not null)
                text = $"{text}: {exception.ToString().ReplaceLineEndings(" | ")}";
            log.Append(logLevel, eventId, category, text);
        }
    }
}

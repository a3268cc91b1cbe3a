using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Posthouse.Server.Hosting;

namespace Posthouse.Tests.Hosting;

public class MailLogTests
{
    private static string[] Lines(Action<MailLog> write, bool json = false)
    {
        using MemoryStream output = new();
        using (MailLog log = new(output, TimeProvider.System, json)) write(log);
        return Encoding.UTF8.GetString(output.ToArray()).Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    [Fact]
    public void A_line_cannot_be_forged_by_control_bytes() =>
        Assert.Equal(
            ["0123 smtp failed-command command=\"a\\x0d\\x0ab\\x1b[2J\\x85\""],
            Lines(log => Say(log, LogLevel.Information, "0123 smtp failed-command command=\"a\r\nb\u001b[2J\u0085\"")));

    [Fact]
    public void Lines_below_the_level_are_not_written()
    {
        string[] lines = Lines(log =>
        {
            Say(log, LogLevel.Debug, "debug: one");
            log.Level = LogLevel.Debug;
            Say(log, LogLevel.Debug, "debug: two");
        });
        Assert.Equal(["debug: two"], lines);
    }

    [Fact]
    public void An_exception_stays_on_its_line()
    {
        string line = Assert.Single(Lines(log =>
            log.CreateLogger("x").Log(LogLevel.Error, default, "warn: broken", new InvalidOperationException("one\ntwo"), (state, _) => state)));
        Assert.StartsWith("warn: broken: System.InvalidOperationException: one | two", line, StringComparison.Ordinal);
    }

    [Fact]
    public void As_json_every_line_is_an_object()
    {
        string line = Assert.Single(Lines(log => Say(log, LogLevel.Information, "info: \"ready\""), json: true));
        using JsonDocument json = JsonDocument.Parse(line);
        Assert.Equal("info: \"ready\"", json.RootElement.GetProperty("text").GetString());
    }

    [Fact]
    public void A_stuck_reader_costs_lines_and_nothing_else()
    {
        using StuckStream output = new();
        string text = new('x', 100_000);
        using (MailLog log = new(output, TimeProvider.System))
        {
            for (int i = 0; i < 200; i++) Say(log, LogLevel.Information, text);
            output.Release();
        }

        string written = Encoding.UTF8.GetString(output.Written.ToArray());
        Assert.Contains("lines dropped", written, StringComparison.Ordinal);
        Assert.InRange(written.Length, 100_000, 10 << 20);
    }

    private static void Say(MailLog log, LogLevel level, string text) => log.CreateLogger("test").Log(level, default, text, null, (state, _) => state);

    private sealed class StuckStream : MemoryStream
    {
        private readonly ManualResetEventSlim _released = new();

        public MemoryStream Written { get; } = new();

        public void Release() => _released.Set();

        public override void Write(byte[] buffer, int offset, int count)
        {
            _released.Wait(TestContext.Current.CancellationToken);
            Written.Write(buffer, offset, count);
        }

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            _released.Wait(TestContext.Current.CancellationToken);
            Written.Write(buffer);
        }
    }
}

using System.Buffers;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using Posthouse.Plugs;
using Posthouse.Server.Control;
using Posthouse.Server.Model;
using Posthouse.Server.Queueing;

namespace Posthouse.Commands;

/// <summary>
/// <c>posthouse queue</c>: the spool, with the server stopped. <c>list</c> prints what smtpctl's <c>show queue</c> prints; ids are of an envelope (16 digits),
/// a message (8) or <c>all</c>. With <c>--json</c> every line is one object.
/// </summary>
public static class QueueCommand
{
    private const string Usage = """
        usage: posthouse queue [--state DIR] [--json] [--key FILE|-] VERB

          list                      every envelope
          show ID                   an envelope's fields, or the envelopes of a message
          hold ID | release ID      no delivery until released
          remove ID                 delete without a bounce
          export ID                 a message's content to standard output
          verify                    read everything and name what is damaged
          repair                    move what is damaged to spool/quarantine

        The key of an encrypted queue is read from FILE, or from standard input: 32 bytes.

        """;

    /// <summary>Exit status 0 when it was done; 1 when not, when nothing has that id, and when <c>verify</c> finds damage.</summary>
    public static int Run(string[] args, Terminal? terminal = null) => RunAsync(args, terminal ?? Terminal.Process).GetAwaiter().GetResult();

    private static async Task<int> RunAsync(string[] args, Terminal terminal)
    {
        ArgumentReader reader = new(args);
        string? state = null;
        string? keyFile = null;
        bool json = false;
        while (reader.NextOption() is { } option)
        {
            switch (option)
            {
                case "--state" when reader.Value() is { Length: > 0 } value:
                    state = value;
                    break;
                case "--key" when reader.Value() is { Length: > 0 } value:
                    keyFile = value;
                    break;
                case "--json":
                    json = true;
                    break;
                default:
                    return Misuse(terminal, option is "-h" or "--help" ? null : $"unknown option {option}");
            }
        }

        List<string> words = [.. reader.Rest];
        json |= words.Remove("--json");
        if (words is ["list" or "verify" or "repair"])
            words.Add("all");
        if (words is not [("list" or "show" or "hold" or "release" or "remove" or "export" or "verify" or "repair") and var verb, var id])
            return Misuse(terminal, null);
        if (!EnvelopeSelection.TryParse(id, out EnvelopeSelection selection) || (verb is "show" or "export" && selection.IsAll))
            return Misuse(terminal, $"{QueueLine.Visible(id)} is no id");
        try
        {
            byte[]? key = keyFile is null ? null : ReadKey(keyFile, terminal);
            (SpoolInspection? spool, Fault? fault) = await SpoolInspection.OpenAsync(
                StateDirectory.Find(state), key, TimeProvider.System, new ProblemLogger(terminal.Error), asOwner: true);
            if (spool is null)
                return Fail(terminal, fault!.PublicText);
            await using (spool)
                return await RunAsync(spool, verb, selection, json, terminal);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return Fail(terminal, exception.Message);
        }
    }

    private static async Task<int> RunAsync(SpoolInspection spool, string verb, EnvelopeSelection selection, bool json, Terminal terminal) => verb switch
    {
        "list" => await ListAsync(spool, selection, json, terminal),
        "show" when selection.Message.IsNone => await ShowAsync(spool, selection, json, terminal),
        "show" => await ListAsync(spool, selection, json, terminal),
        "hold" => Count(await spool.SuspendAsync(selection, true), "held", selection, json, terminal),
        "release" => Count(await spool.SuspendAsync(selection, false), "released", selection, json, terminal),
        "remove" => Count(await spool.RemoveAsync(selection), "removed", selection, json, terminal),
        "export" => await ExportAsync(spool, selection, terminal),
        "verify" => Report(await spool.VerifyAsync(), false, json, terminal),
        _ => Report(await spool.RepairAsync(), true, json, terminal),
    };

    private static async Task<int> ListAsync(SpoolInspection spool, EnvelopeSelection selection, bool json, Terminal terminal)
    {
        bool found = selection.IsAll;
        long now = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        await foreach (SpooledEnvelope envelope in spool.ListAsync(selection))
        {
            found = true;
            if (json)
                terminal.Output.WriteLine(ToJson(envelope));
            else if (envelope.Envelope is { } readable)
                terminal.Output.WriteLine(QueueLine.Format(readable, null, readable.NextTry, now));
            else
                terminal.Error.WriteLine($"queue: envelope {envelope.Id} is damaged: {QueueLine.Visible(envelope.Problem)}");
        }

        return found ? 0 : Fail(terminal, $"nothing has the id {selection}");
    }

    private static async Task<int> ShowAsync(SpoolInspection spool, EnvelopeSelection selection, bool json, Terminal terminal)
    {
        await foreach (SpooledEnvelope envelope in spool.ListAsync(selection))
        {
            if (json)
                terminal.Output.WriteLine(ToJson(envelope));
            if (envelope.Problem is { } problem)
                terminal.Error.WriteLine($"queue: envelope {envelope.Id}: {QueueLine.Visible(problem)}");
            if (!json && envelope.Envelope is { } readable)
                ShowFields(readable, terminal.Output);
            return envelope.IsDamaged ? 1 : 0;
        }

        return Fail(terminal, $"nothing has the id {selection}");
    }

    private static void ShowFields(Envelope envelope, TextWriter output)
    {
        using JsonDocument document = JsonDocument.Parse(envelope.ToJson());
        foreach (JsonProperty field in document.RootElement.EnumerateObject())
        {
            string value = field.Value.ValueKind == JsonValueKind.String ? field.Value.GetString()! : field.Value.GetRawText();
            output.WriteLine($"{QueueLine.Visible(field.Name)}: {QueueLine.Visible(value)}");
        }
    }

    private static async Task<int> ExportAsync(SpoolInspection spool, EnvelopeSelection selection, Terminal terminal)
    {
        MessageId message = selection.Message.IsNone ? selection.Envelope.Message : selection.Message;
        OpenedMessage opened = await spool.OpenMessageAsync(message);
        if (opened.Content is null)
            return Fail(terminal, opened.Result.Message ?? $"there is no message {message}");
        await using Stream content = opened.Content;
        await content.CopyToAsync(terminal.Bytes);
        await terminal.Bytes.FlushAsync();
        return 0;
    }

    private static int Count(int count, string what, EnvelopeSelection selection, bool json, Terminal terminal)
    {
        terminal.Output.WriteLine(json
            ? string.Create(CultureInfo.InvariantCulture, $$"""{"{{what}}":{{count}}}""")
            : string.Create(CultureInfo.InvariantCulture, $"{count} envelope{(count == 1 ? "" : "s")} {what}"));
        return count > 0 || selection.IsAll ? 0 : Fail(terminal, $"nothing has the id {selection}");
    }

    private static int Report(SpoolCheck check, bool repaired, bool json, Terminal terminal)
    {
        foreach (SpoolDamage damage in check.Damages)
        {
            terminal.Output.WriteLine(json
                ? Write(writer =>
                {
                    writer.WriteString("store", damage.Store);
                    writer.WriteString("id", damage.Id);
                    writer.WriteString("problem", damage.Problem);
                })
                : $"{damage.Store}|{damage.Id}|{(repaired ? "moved to quarantine" : "damaged")}|{QueueLine.Visible(damage.Problem)}");
        }

        terminal.Output.WriteLine(json
            ? Write(writer =>
            {
                writer.WriteNumber("messages", check.Messages);
                writer.WriteNumber("envelopes", check.Envelopes);
                writer.WriteNumber("locked", check.Locked);
                writer.WriteNumber("damaged", check.Damages.Count);
            })
            : string.Create(
                CultureInfo.InvariantCulture,
                $"{check.Messages} messages, {check.Envelopes} envelopes, {check.Damages.Count} damaged{(check.Locked > 0 ? $", {check.Locked} not opened for want of their key" : "")}"));
        return check.Damages.Count > 0 && !repaired ? 1 : 0;
    }

    private static string ToJson(SpooledEnvelope envelope) => Write(writer =>
    {
        writer.WriteString("store", envelope.Store);
        writer.WriteString("id", envelope.Id.ToString());
        if (envelope.Envelope is { } readable)
        {
            writer.WritePropertyName("envelope");
            writer.WriteRawValue(readable.ToJson());
        }

        if (envelope.Problem is { } problem)
            writer.WriteString("problem", problem);
    });

    private static string Write(Action<Utf8JsonWriter> fields)
    {
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter writer = new(buffer))
        {
            writer.WriteStartObject();
            fields(writer);
            writer.WriteEndObject();
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    // 32 bytes, with or without a line end behind them.
    private static byte[] ReadKey(string file, Terminal terminal)
    {
        Span<byte> bytes = stackalloc byte[64];
        using Stream source = file == "-" ? terminal.Input : File.OpenRead(file);
        int length = source.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        ReadOnlySpan<byte> key = bytes[..length];
        return (key.Length > 32 ? key.TrimEnd("\r\n"u8) : key).ToArray();
    }

    private static int Fail(Terminal terminal, string problem)
    {
        terminal.Error.WriteLine($"queue: {QueueLine.Visible(problem)}");
        return 1;
    }

    private static int Misuse(Terminal terminal, string? problem)
    {
        if (problem is not null)
            terminal.Error.WriteLine($"queue: {problem}");
        terminal.Error.Write(Usage);
        return 1;
    }

    /// <summary>What the stores find wrong while they open goes to standard error.</summary>
    private sealed class ProblemLogger(TextWriter error) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (!IsEnabled(logLevel))
                return;
            lock (error)
                error.WriteLine(QueueLine.Visible(formatter(state, exception)));
        }
    }
}

using System.Globalization;
using System.Text.Json;
using Posthouse.Plugs;
using Posthouse.Server.Control;
using Posthouse.Server.Filtering;
using Posthouse.Server.Model;

namespace Posthouse.Commands;

/// <summary><c>posthouse ctl</c>, and <c>smtpctl</c>: shows and steers a running server, in smtpctl's words and formats.</summary>
public static class CtlCommand
{
    /// <summary>Exit status 0 when it was done, 1 when not.</summary>
    public static int Run(string[] args, Terminal? terminal = null)
    {
        terminal ??= Terminal.Process;
        ArgumentReader reader = new(args);
        string? state = null;
        bool json = false;
        while (reader.NextOption() is { } option)
        {
            switch (option)
            {
                case "--state" when reader.Value() is { Length: > 0 } value:
                    state = value;
                    break;
                case "--json":
                    json = true;
                    break;
                default:
                    return Misuse(terminal, option is "-h" or "--help" ? null : $"unknown option {option}");
            }
        }
        List<string> words = [.. reader.Rest];
        // smtpctl's words have no dashes, so the option may also stand behind them.
        json |= words.Remove("--json");
        if (ControlCommandLine.Parse(words, out string? error) is not { } command)
            return Misuse(terminal, error);
        if (command.Output == ControlOutput.Encrypt)
            return EncryptCommand.Run(command.Argument is { } text ? [text] : [], terminal);

        using ControlClient? client = ControlClient.Connect(StateDirectory.Find(state), out Fault? fault);
        if (client is null)
        {
            terminal.Error.WriteLine($"smtpctl: {fault!.PublicText}");
            return 1;
        }
        return command.Output == ControlOutput.Monitor ? Monitor(client, json, terminal) : Answer(client, command, json, terminal);
    }

    private static int Answer(ControlClient client, ControlCommandLine command, bool json, Terminal terminal)
    {
        List<ControlReply> services = [];
        long now = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        // All tables are read before anything changes.
        if (command.Verb == ControlVerb.Reload)
            client.Patience = TimeSpan.FromMinutes(2);
        foreach (ControlReply reply in client.Ask(new ControlRequest(command.Verb, command.Argument)))
        {
            if (reply.Ok is { } done)
                return Finish(command, reply, services, json, done, terminal);
            if (reply.Name is not null)
                services.Add(reply);
            else if (reply.Filter is { } filter)
                WriteFilter(filter, json, terminal);
            else if (json)
                terminal.Output.WriteLine(JsonSerializer.Serialize(reply, ControlJson.Default.ControlReply));
            else if (reply.Notice is { } notice)
                terminal.Error.WriteLine($"warning: {QueueLine.Visible(notice)}");
            else if (reply.Data is { } data)
                WriteContent(data, terminal);
            else if (reply.Envelope is { } envelope && command.Output == ControlOutput.Envelope)
                WriteEnvelope(envelope, terminal);
            else if (reply.Envelope is { } listed)
                terminal.Output.WriteLine(QueueLine.Format(Envelope.Parse(JsonSerializer.SerializeToUtf8Bytes(listed, ControlJson.Default.JsonElement)), reply.State, reply.NextTry ?? 0, now));
        }
        return 1;
    }

    private static int Finish(ControlCommandLine command, ControlReply last, List<ControlReply> services, bool json, bool done, Terminal terminal)
    {
        if (!done)
        {
            // The errors of a configuration stand one on a line.
            string[] errors = [.. (last.Error ?? "").Split('\n').Select(QueueLine.Visible)];
            terminal.Error.WriteLine(last.Error is null ? "command failed" : $"command failed: {string.Join(Environment.NewLine, errors)}");
            return 1;
        }
        switch (command.Output)
        {
            case ControlOutput.Filters or ControlOutput.Queue or ControlOutput.Envelope or ControlOutput.Content:
                break;
            case ControlOutput.Stats or ControlOutput.Status when json:
                WriteObject(services, terminal);
                break;
            case ControlOutput.Stats:
                foreach (ControlReply counter in services)
                    WriteCounter(counter, terminal);
                break;
            case ControlOutput.Status:
                foreach (ControlReply service in services)
                    terminal.Output.WriteLine($"{service.Name!.ToUpperInvariant()} {(service.Value == 1 ? "running" : "paused")}");
                break;
            case var _ when json:
                terminal.Output.WriteLine(JsonSerializer.Serialize(last, ControlJson.Default.ControlReply));
                break;
            case ControlOutput.Verdict:
                terminal.Output.WriteLine("command succeeded");
                break;
            default:
                int count = last.Count ?? 0;
                terminal.Output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{count} envelope{(count == 1 ? "" : "s")} {command.Output.ToString().ToLowerInvariant()}"));
                break;
        }
        return 0;
    }

    private static int Monitor(ControlClient client, bool json, Terminal terminal)
    {
        MonitorTable table = new();
        while (true)
        {
            List<ControlReply> counters = [];
            foreach (ControlReply reply in client.Ask(new ControlRequest(ControlVerb.Stats)))
            {
                if (reply.Ok is false)
                {
                    terminal.Error.WriteLine($"command failed: {reply.Error}");
                    return 1;
                }
                if (reply.Name is not null)
                    counters.Add(reply);
            }
            if (json)
                WriteObject(counters, terminal);
            else
                terminal.Output.Write(table.Next(counters.ToDictionary(static counter => counter.Name!, static counter => counter.Value ?? 0)));
            terminal.Output.Flush();
            Thread.Sleep(TimeSpan.FromSeconds(1));
        }
    }

    private static void WriteCounter(ControlReply counter, Terminal terminal)
    {
        terminal.Output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{counter.Name}={counter.Value}"));
        if (counter.Name == "uptime" && counter.Value is { } seconds)
            terminal.Output.WriteLine($"uptime.human={MonitorTable.Duration(seconds)}");
    }

    private static void WriteObject(List<ControlReply> services, Terminal terminal)
    {
        using MemoryStream buffer = new();
        using (Utf8JsonWriter writer = new(buffer))
        {
            writer.WriteStartObject();
            foreach (ControlReply service in services)
                writer.WriteNumber(service.Name!, service.Value ?? 0);
            writer.WriteEndObject();
        }
        terminal.Output.WriteLine(System.Text.Encoding.UTF8.GetString(buffer.ToArray()));
    }

    private static void WriteEnvelope(JsonElement envelope, Terminal terminal)
    {
        foreach (JsonProperty field in envelope.EnumerateObject())
        {
            string value = field.Value.ValueKind switch
            {
                JsonValueKind.String => field.Value.GetString()!,
                JsonValueKind.Array => string.Join(' ', field.Value.EnumerateArray().Select(static item => item.ToString())),
                _ => field.Value.ToString(),
            };
            terminal.Output.WriteLine($"{field.Name}: {QueueLine.Visible(value)}");
        }
    }

    // One line each, as key=value like the counters, or one JSON object.
    private static void WriteFilter(FilterStatus filter, bool json, Terminal terminal) => terminal.Output.WriteLine(json
        ? JsonSerializer.Serialize(filter, ControlJson.Default.FilterStatus)
        : string.Create(CultureInfo.InvariantCulture,
            $"{QueueLine.Visible(filter.Name)} instance={filter.Instance} pid={filter.ProcessId} state={filter.State} restarts={filter.Restarts} requests={filter.Requests} outstanding={filter.Outstanding} "
            + $"failures={filter.Failures} ignored={filter.Ignored} dropped={filter.Dropped} p50={filter.Median}us p90={filter.NinetyPercent}us p99={filter.NinetyNinePercent}us"));

    private static void WriteContent(byte[] data, Terminal terminal)
    {
        // Bytes as they are: a mail need not be valid in any encoding.
        if (terminal == Terminal.Process)
        {
            using Stream output = Console.OpenStandardOutput();
            output.Write(data);
        }
        else
        {
            terminal.Output.Write(System.Text.Encoding.Latin1.GetString(data));
        }
    }

    private static int Misuse(Terminal terminal, string? error)
    {
        if (error is not null)
            terminal.Error.WriteLine($"smtpctl: {error}");
        terminal.Error.WriteLine($"usage: posthouse ctl [--state DIR] [--json] COMMAND\n{ControlCommandLine.Usage}");
        return 1;
    }
}

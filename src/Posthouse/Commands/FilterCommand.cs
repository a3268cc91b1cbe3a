using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Posthouse.Commands.Trials;
using Posthouse.Server.Control;
using Posthouse.Server.Hosting.Trials;

namespace Posthouse.Commands;

/// <summary><c>posthouse filter run</c>: shows a mail to a filter as a server would, and prints what both say and what becomes of the mail.</summary>
public static class FilterCommand
{
    private const int Refused = 1;
    private const int Unusable = 2;

    private const string Usage = """
        usage: posthouse filter run COMMAND --mail FILE [option …]

          --mail FILE|-             the mail; its lines may end with LF
          --from ADDRESS            default sender@example.net; <> is none
          --to ADDRESS              may be repeated; default recipient@example.org
          --client IP|local         default 192.0.2.1; local: a program of this machine
          --rdns NAME               the name of that address; default none
          --helo NAME               what the client says it is; default the name of its address, or client.example.net
          --tls                     the client uses STARTTLS
          --script FILE|-           says these lines instead: .mail sends the mail, expect CODE [TEXT] or expect closed checks the last reply, # comments
          --crash-at EVENT[:N]      kills the filter right after the N-th line of this event or phase
          --crash-always            … of each of its lives
          --on-failure tempfail|bypass|reject, --timeout T
                                    as in smtpd.conf
          --output FILE|-           the message as it would be queued
          --json                    one object, and nothing else, on standard output
          -q, --quiet               no dialogue

        Exit status: 0 accepted, or all expectations met; 1 not; 2 wrong usage, or the filter never got ready.

        """;

    // Angle brackets and plus signs are nothing special where this goes.
    private static readonly FilterRunJson s_json = new(new JsonSerializerOptions(FilterRunJson.Default.Options) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });

    private static readonly TimeSpan s_longestAnswer = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan s_slack = TimeSpan.FromMinutes(1);

    /// <summary>Exit status 0 when the mail was accepted, or everything was as the script expects; 1 when not; 2 when the filter could not be tried.</summary>
    public static int Run(string[] args, Terminal? terminal = null)
    {
        ArgumentNullException.ThrowIfNull(args);
        terminal ??= Terminal.Process;
        if (args is not ["run", .. var rest]) return Misuse(terminal, args switch { [] => null, ["-h" or "--help", ..] => "", _ => $"unknown verb {args[0]}" });
        if (FilterRunOptions.Parse(rest, out string? error) is not { } options) return Misuse(terminal, error);
        try
        {
            ReadOnlyMemory<byte> mail = options.Mail is null ? default(ReadOnlyMemory<byte>) : Read(options.Mail, terminal);
            TrialScript? script = null;
            if (options.Script is { } file)
            {
                if ((script = TrialScript.Parse(Encoding.UTF8.GetString(Read(file, terminal)), out error)) is null) return Fail(terminal, $"{file}:{error}");
                if (script.SendsMail && options.Mail is null) return Fail(terminal, $"{file} has .mail: --mail FILE is missing");
            }
            return RunAsync(options, mail, script, terminal).GetAwaiter().GetResult();
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            return Fail(terminal, problem.Message);
        }
    }

    private static async Task<int> RunAsync(FilterRunOptions options, ReadOnlyMemory<byte> mail, TrialScript? script, Terminal terminal)
    {
        // What is not the message must not stand in its stream.
        TextWriter output = options.Output == "-" ? terminal.Error : terminal.Output;
        Lock guard = new();
        List<string> lines = [];
        void Say(TrialLine line)
        {
            lock (guard)
            {
                if (options.Quiet) return;
                if (options.Json) lines.Add(line.ToString());
                else output.WriteLine(line.ToString());
            }
        }

        (FilterTrial? started, string? failure) = await FilterTrial.StartAsync(
            new()
            {
                Command = options.Command,
                Directory = Environment.CurrentDirectory,
                Client = options.Client,
                ReverseName = options.ReverseName,
                OffersTls = options.Tls || script is not null,
                Crash = options.Crash,
            }, Say);
        if (started is null)
        {
            if (options.Json) Write(new() { Verdict = "unready", Error = failure, Lines = options.Quiet ? null : lines }, output);
            return Fail(terminal, failure!);
        }

        FilterRunResult result;
        TrialMessage? message;
        TrialDialogue dialogue;
        (int Line, string Problem)? unmet = null;
        await using (started)
        {
            // Every request may take its time twice: once more when the filter is started again.
            TimeSpan patience = (2 * (options.Command.Timeout ?? s_longestAnswer)) + s_slack;
            await using (TrialClient client = new(started.Connect(), patience, Say))
            {
                dialogue = new(client, options, mail);
                if (script is null) await dialogue.SendAsync();
                else unmet = await dialogue.PlayAsync(script);
            }
            await started.SettleAsync();
            message = await started.ReadMessageAsync();
            result = Judge(dialogue, dialogue.Acceptance is null ? null : message, mail) with { Restarts = started.Restarts };
        }

        if (message is not null && options.Output is { } target) await SaveAsync(message.Content, target, terminal);
        if (unmet is { } unlike) result = result with { Error = unlike.Problem, ScriptLine = unlike.Line };
        lock (guard)
        {
            if (options.Json) Write(result with { Lines = options.Quiet ? null : [.. lines] }, output);
            else Print(result, message is not null && dialogue.Acceptance is not null, output);
        }
        if (unmet is not null) terminal.Error.WriteLine(string.Create(CultureInfo.InvariantCulture, $"filter run: {options.Script}:{unmet.Value.Line}: {unmet.Value.Problem}"));
        return unmet is null && (script is { Expects: true } || result.Verdict is "accepted" or "junk") ? 0 : Refused;
    }

    private static FilterRunResult Judge(TrialDialogue dialogue, TrialMessage? message, ReadOnlyMemory<byte> mail)
    {
        bool isJunk = message is not null && Marks(message.Content.Span) > Marks(mail.Span);
        IReadOnlyList<string> difference = message?.Given is { } given ? MessageDifference.Between(given.Span, message.Content.Span) : [];
        return new()
        {
            Verdict = dialogue.IsCut ? "disconnected" : dialogue.Refusal is { } refusal ? (refusal.IsTemporary ? "tempfail" : "rejected") : isJunk ? "junk" : "accepted",
            Reply = (dialogue.Refusal ?? dialogue.Acceptance)?.ToString().Replace('\n', ' '),
            Junk = isJunk,
            Changed = difference.Count > 0,
            Difference = difference.Count > 0 ? difference : null,
            RefusedRecipients = dialogue.RefusedRecipients.Count > 0 && dialogue.Acceptance is not null
                ? [.. dialogue.RefusedRecipients.Select(static refused => $"{refused.Address}: {refused.Reply.ToString().Replace('\n', ' ')}")]
                : null,
        };
    }

    // How many fields X-Spam: Yes its header has.
    private static int Marks(ReadOnlySpan<byte> message)
    {
        int marks = 0;
        while (message.IndexOf((byte)'\n') is >= 0 and var end)
        {
            ReadOnlySpan<byte> line = message[..end].TrimEnd((byte)'\r');
            if (line.IsEmpty) break;
            if (Ascii.EqualsIgnoreCase(line.TrimEnd((byte)' '), "X-Spam: Yes"u8)) marks++;
            message = message[(end + 1)..];
        }
        return marks;
    }

    private static void Print(FilterRunResult result, bool isAccepted, TextWriter output)
    {
        bool isRefused = result.Verdict is not ("accepted" or "junk");
        output.WriteLine(isRefused ? $"{result.Verdict}: {QueueLine.Visible(result.Reply ?? "the server hung up")}" : result.Verdict);
        foreach (string refused in result.RefusedRecipients ?? []) output.WriteLine($"refused: {QueueLine.Visible(refused)}");
        if (result.Restarts > 0) output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"restarts: {result.Restarts}"));
        if (!isAccepted) return;
        output.WriteLine(result.Changed ? "message changed:" : "message unchanged");
        foreach (string line in result.Difference ?? []) output.WriteLine(line);
    }

    private static void Write(FilterRunResult result, TextWriter output) => output.WriteLine(JsonSerializer.Serialize(result, s_json.FilterRunResult));

    private static byte[] Read(string file, Terminal terminal)
    {
        if (file != "-") return File.ReadAllBytes(file);
        using MemoryStream copy = new();
        terminal.Input.CopyTo(copy);
        return copy.ToArray();
    }

    private static async Task SaveAsync(ReadOnlyMemory<byte> message, string file, Terminal terminal)
    {
        if (file != "-")
        {
            await File.WriteAllBytesAsync(file, message);
            return;
        }
        await terminal.Bytes.WriteAsync(message);
        await terminal.Bytes.FlushAsync();
    }

    private static int Fail(Terminal terminal, string problem)
    {
        terminal.Error.WriteLine($"filter run: {QueueLine.Visible(problem)}");
        return Unusable;
    }

    private static int Misuse(Terminal terminal, string? problem)
    {
        if (!string.IsNullOrEmpty(problem)) terminal.Error.WriteLine($"filter run: {QueueLine.Visible(problem)}");
        (problem is "" ? terminal.Output : terminal.Error).Write(Usage);
        return problem is "" ? 0 : Unusable;
    }
}

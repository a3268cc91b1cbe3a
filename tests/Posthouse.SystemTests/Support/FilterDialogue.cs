using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Posthouse.SystemTests.Support;

/// <summary>
/// What a server says to a filter, written down beforehand, with the data in lines or in blocks. Text is Latin-1: a character is a byte.
/// </summary>
public sealed class FilterDialogue(bool bulk = false)
{
    private readonly StringBuilder _input = new();
    private int _clock;

    public string Version { get; init; } = "0.7";

    public string Input => _input.ToString();

    public FilterDialogue Configure(params string[] more)
    {
        _input.Append(CultureInfo.InvariantCulture, $"config|smtpd-version|7.8.0-posthouse\nconfig|protocol|{Version}\nconfig|subsystem|smtp-in\nconfig|from-the-future|a|b\n");
        if (bulk) _input.Append("config|extension|bulk\n");
        foreach (string line in more) _input.Append(line).Append('\n');
        _input.Append("config|ready\n");
        return this;
    }

    public FilterDialogue Report(string @event, string session, string? parameters = null, string subsystem = "smtp-in", string? time = null)
    {
        _input.Append(CultureInfo.InvariantCulture, $"report|{Version}|{time ?? Time()}|{subsystem}|{@event}|{Id(session)}").Append(parameters is null ? "" : "|" + parameters).Append('\n');
        return this;
    }

    public FilterDialogue Connect(string session, string address = "192.0.2.1") =>
        Report("link-connect", session, $"host.example|pass|{address}:4711|192.0.2.2:25");

    public FilterDialogue Ask(string phase, string session, string token, string parameters = "")
    {
        _input.Append(CultureInfo.InvariantCulture, $"filter|{Version}|{Time()}|smtp-in|{phase}|{Id(session)}|{Id(token)}|{parameters}\n");
        return this;
    }

    /// <summary>Lines of a message, each ended by LF, that are not its last.</summary>
    public FilterDialogue Send(string session, string token, string lines)
    {
        if (bulk) return SendBlock(session, token, lines.Replace("\n", "\r\n", StringComparison.Ordinal));
        foreach (string line in lines.Split('\n').SkipLast(1))
            Ask("data-line", session, token, line.StartsWith('.') ? "." + line : line);
        return this;
    }

    public FilterDialogue SendBlock(string session, string token, string block)
    {
        Ask("data-bulk", session, token, block.Length.ToString(CultureInfo.InvariantCulture));
        _input.Append(block);
        return this;
    }

    public FilterDialogue End(string session, string token) => bulk ? SendBlock(session, token, "") : Ask("data-line", session, token, ".");

    /// <summary>A whole message, and the question whether it may be taken.</summary>
    public FilterDialogue Mail(string session, string lines, string token = "d") => Send(session, token, lines).End(session, token).Ask("commit", session, "c");

    public FilterDialogue Raw(string text)
    {
        _input.Append(text);
        return this;
    }

    /// <summary>Sixteen digits, as sessions and tokens have.</summary>
    public static string Id(string end) => end.PadLeft(16, '0');

    /// <summary>Says everything to a program, closes its input, and waits for its end.</summary>
    public async Task<FilterAnswers> WithAsync(string program, params string[] arguments)
    {
        ProcessStartInfo start = new(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        start.StandardOutputEncoding = start.StandardInputEncoding = start.StandardErrorEncoding = Encoding.Latin1;
        // As the server gives it; the rest of what a test inherits would only hide mistakes.
        string path = Environment.GetEnvironmentVariable("PATH") ?? "/usr/bin:/bin";
        start.Environment.Clear();
        start.Environment["PATH"] = path;
        start.Environment["PYTHONDONTWRITEBYTECODE"] = "1";
        using Process process = Process.Start(start) ?? throw new InvalidOperationException($"{program} did not start");
        using CancellationTokenSource deadline = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        deadline.CancelAfter(TimeSpan.FromSeconds(60));
        try
        {
            Task<string> output = process.StandardOutput.ReadToEndAsync(deadline.Token);
            Task<string> error = process.StandardError.ReadToEndAsync(deadline.Token);
            try
            {
                await process.StandardInput.WriteAsync(Input.AsMemory(), deadline.Token);
                process.StandardInput.Close();
            }
            catch (IOException)
            {
                // It ended before it had read everything; its exit status says what that means.
            }

            await process.WaitForExitAsync(deadline.Token);
            return FilterAnswers.Parse(process.ExitCode, await output, await error);
        }
        catch (OperationCanceledException) when (!TestContext.Current.CancellationToken.IsCancellationRequested)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{program} {string.Join(' ', arguments)} did not end within 60 s");
        }
    }

    private string Time() => (1700000000.5m + (++_clock / 1000m)).ToString("F6", CultureInfo.InvariantCulture);
}

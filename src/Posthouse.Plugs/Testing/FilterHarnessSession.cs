using System.Globalization;
using System.Text;
using Posthouse.Plugs.Filters;

namespace Posthouse.Plugs.Testing;

/// <summary>One SMTP session as a filter sees it. Each call tells the events and asks the request that a server would, in its order, and returns the answer.</summary>
public sealed class FilterHarnessSession
{
    private readonly FilterHarness _harness;
    private uint _messages;
    private bool _isOpen;

    internal FilterHarnessSession(FilterHarness harness, string id) => (_harness, Id) = (harness, id);

    /// <summary>The session's id, 16 hex digits.</summary>
    public string Id { get; }

    private string Message => (0x0e55a600 + _messages).ToString("x8", CultureInfo.InvariantCulture);

    /// <summary>A client connects.</summary>
    public async Task<Verdict> ConnectAsync(string? reverseName = "client.example.org", string address = "192.0.2.1")
    {
        string literal = address.Contains(':') ? $"[{address}]" : address;
        await ReportAsync("link-connect", $"{reverseName ?? "<unknown>"}|{(reverseName is null ? "error" : "pass")}|{literal}:40000|198.51.100.1:25");
        Verdict verdict = await AskAsync("connect", $"{reverseName ?? "<unknown>"}|{literal}");
        if (verdict.IsProceed) await ReportAsync("link-greeting", "mail.example.org");
        return verdict;
    }

    /// <summary>The client says EHLO.</summary>
    public async Task<Verdict> HeloAsync(string name)
    {
        Verdict verdict = await AskAsync("ehlo", name);
        if (verdict.IsProceed) await ReportAsync("link-identify", $"EHLO|{name}");
        return verdict;
    }

    /// <summary>MAIL FROM with an address without brackets.</summary>
    public async Task<Verdict> MailAsync(string address)
    {
        Verdict verdict = await AskAsync("mail-from", address);
        if (!Accepts(verdict)) return verdict;
        _messages++;
        _isOpen = true;
        await ReportAsync("tx-begin", Message);
        await ReportAsync("tx-mail", Result(Message, address, "ok"));
        return verdict;
    }

    /// <summary>RCPT TO with an address without brackets.</summary>
    public async Task<Verdict> RcptAsync(string address)
    {
        Verdict verdict = await AskAsync("rcpt-to", address);
        if (Accepts(verdict)) await ReportAsync("tx-envelope", $"{Message}|{Message}00000001");
        await ReportAsync("tx-rcpt", Result(Message, address, Accepts(verdict) ? "ok" : "permfail"));
        return verdict;
    }

    /// <summary>DATA, and the message: with CRLF or LF line ends, unstuffed. Returns it as it left the filter, with CRLF; unchanged where it takes no data.</summary>
    /// <exception cref="InvalidOperationException">The filter refused DATA; ask for the phase <c>data</c> to see how.</exception>
    public async Task<byte[]> DataAsync(ReadOnlyMemory<byte> message)
    {
        Verdict verdict = await AskAsync("data", "");
        if (!Accepts(verdict)) throw new InvalidOperationException($"the filter answered {verdict} to DATA");
        await ReportAsync("tx-data", $"{Message}|ok");
        byte[][] lines = Lines(message.Span);
        byte[] whole = [.. lines.SelectMany(static line => (byte[])[.. line, (byte)'\r', (byte)'\n'])];
        if (!_harness.Wants("filter|smtp-in|data-line")) return whole;
        string token = _harness.NewToken();
        if (_harness.ObservesBulk)
        {
            await WriteChunksAsync(token, whole);
            return whole;
        }

        Task<byte[]> answer = _harness.ExpectAsync(Id, token);
        if (_harness.HasBulk) await WriteChunksAsync(token, whole);
        else await WriteLinesAsync(token, lines);
        return await answer;
    }

    /// <summary>The message is about to be accepted.</summary>
    public async Task<Verdict> CommitAsync(long size = 1000)
    {
        Verdict verdict = await AskAsync("commit", "");
        await ReportAsync(verdict.IsProceed ? "tx-commit" : "tx-rollback", verdict.IsProceed ? string.Create(CultureInfo.InvariantCulture, $"{Message}|{size}") : Message);
        await EndAsync();
        return verdict;
    }

    /// <summary>The transaction is given up.</summary>
    public async Task RollbackAsync()
    {
        await ReportAsync("tx-rollback", Message);
        await EndAsync();
    }

    /// <summary>A whole mail: MAIL, RCPT, DATA, commit; stops at the first verdict that refuses.</summary>
    public async Task<FilterMail> SendAsync(ReadOnlyMemory<byte> message, string from = "sender@example.org", params string[] recipients)
    {
        Verdict verdict = await MailAsync(from);
        bool junk = verdict == Verdict.Junk;
        foreach (string recipient in recipients.Length == 0 ? ["recipient@example.net"] : recipients)
        {
            if (!Accepts(verdict)) break;
            verdict = await RcptAsync(recipient);
            junk |= verdict == Verdict.Junk;
        }

        byte[]? content = null;
        if (Accepts(verdict))
        {
            content = await DataAsync(message);
            verdict = await CommitAsync(content.Length);
        }
        else if (_isOpen)
        {
            await RollbackAsync();
        }

        return new(verdict, content, junk);
    }

    /// <summary>The client says QUIT, and the session ends.</summary>
    public async Task<Verdict> QuitAsync()
    {
        Verdict verdict = await AskAsync("quit", "");
        await DisconnectAsync();
        return verdict;
    }

    /// <summary>The client is gone.</summary>
    public async Task DisconnectAsync()
    {
        if (_isOpen) await RollbackAsync();
        await ReportAsync("link-disconnect", null);
    }

    /// <summary>Asks for one phase by its name on the wire; proceeds where the filter has not registered for it.</summary>
    /// <exception cref="InvalidDataException">The answer is none of the protocol.</exception>
    /// <exception cref="TimeoutException">There was no answer in time.</exception>
    /// <exception cref="IOException">The filter has ended.</exception>
    public async Task<Verdict> AskAsync(string phase, string parameters)
    {
        if (!_harness.Wants($"filter|smtp-in|{phase}")) return Verdict.Proceed;
        string token = _harness.NewToken();
        Task<byte[]> answer = _harness.ExpectAsync(Id, token);
        await _harness.WriteLineAsync($"{_harness.Head("filter")}|{phase}|{Id}|{token}|{parameters}");
        string text = Encoding.UTF8.GetString(await answer);
        return Verdict.Parse(text) ?? throw new InvalidDataException($"\"{text}\" is no answer");
    }

    /// <summary>Tells one event, if the filter wants it; null for one without parameters.</summary>
    public Task ReportAsync(string name, string? parameters) =>
        _harness.Wants($"report|smtp-in|{name}") || _harness.Wants("report|smtp-in|*")
            ? _harness.WriteLineAsync($"{_harness.Head("report")}|{name}|{Id}{(parameters is null ? "" : "|" + parameters)}") : Task.CompletedTask;

    private static bool Accepts(Verdict verdict) => verdict.Decision is "proceed" or "junk" or "rewrite" or "report";

    private static byte[][] Lines(ReadOnlySpan<byte> message)
    {
        List<byte[]> lines = [];
        while (!message.IsEmpty)
        {
            int end = message.IndexOf((byte)'\n');
            ReadOnlySpan<byte> line = end < 0 ? message : message[..end];
            lines.Add((line is [.., (byte)'\r'] ? line[..^1] : line).ToArray());
            message = end < 0 ? default : message[(end + 1)..];
        }

        return [.. lines];
    }

    private string Result(string message, string address, string result) =>
        _harness.Options.Version is "0.1" or "0.2" or "0.3" or "0.4" or "0.5" ? $"{message}|{address}|{result}" : $"{message}|{result}|{address}";

    private async Task EndAsync()
    {
        _isOpen = false;
        await ReportAsync("tx-reset", Message);
    }

    private async Task WriteLinesAsync(string token, byte[][] lines)
    {
        byte[] head = Encoding.ASCII.GetBytes($"{_harness.Head("filter")}|data-line|{Id}|{token}|");
        using MemoryStream all = new();
        foreach (byte[] line in lines)
        {
            all.Write(head);
            if (line is [(byte)'.', ..]) all.WriteByte((byte)'.');
            all.Write(line);
            all.WriteByte((byte)'\n');
        }

        all.Write(head);
        all.Write(".\n"u8);
        await _harness.WriteAsync(all.ToArray());
    }

    private async Task WriteChunksAsync(string token, byte[] whole)
    {
        // Chunks of odd sizes: lines end anywhere.
        int at = 0;
        for (int size = 61; at < whole.Length; size = Math.Min(size * 3, 65536))
        {
            int count = Math.Min(size, whole.Length - at);
            await WriteChunkAsync(token, whole.AsMemory(at, count));
            at += count;
        }

        await WriteChunkAsync(token, default);
    }

    private Task WriteChunkAsync(string token, ReadOnlyMemory<byte> chunk) =>
        _harness.WriteAsync((byte[])[.. Encoding.ASCII.GetBytes($"{_harness.Head("filter")}|data-bulk|{Id}|{token}|{chunk.Length}\n"), .. chunk.Span]);
}

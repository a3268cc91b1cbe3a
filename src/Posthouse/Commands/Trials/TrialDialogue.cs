using Posthouse.Wire;

namespace Posthouse.Commands.Trials;

/// <summary>What the client of a trial says, and what became of it.</summary>
internal sealed class TrialDialogue(TrialClient client, FilterRunOptions options, ReadOnlyMemory<byte> mail)
{
    private readonly List<(string Address, SmtpReply Reply)> _refused = [];
    private bool _hasQuit;

    /// <summary>The reply to the last message that was accepted, unless something was refused after it.</summary>
    internal SmtpReply? Acceptance { get; private set; }

    /// <summary>What was refused last, and made the rest senseless.</summary>
    internal SmtpReply? Refusal { get; private set; }

    /// <summary>Whether the server hung up without being asked.</summary>
    internal bool IsCut => client.IsClosed && !_hasQuit;

    /// <summary>Recipients that were refused while others were accepted.</summary>
    internal IReadOnlyList<(string Address, SmtpReply Reply)> RefusedRecipients => _refused;

    /// <summary>Sends the mail.</summary>
    internal async Task SendAsync()
    {
        Refusal = await TrySendAsync();
        // A server that is about to hang up does not answer this.
        if (!client.IsClosed) _hasQuit = await client.SayAsync("QUIT") is not null;
    }

    /// <summary>Plays a script; answers what was not as expected, behind the number of its line, or null.</summary>
    internal async Task<(int Line, string Problem)?> PlayAsync(TrialScript script)
    {
        Note(await client.ReadAsync(), isMessage: false);
        foreach (TrialScript.Step step in script.Steps)
        {
            if (step.Kind == TrialScript.StepKind.Expect)
            {
                if (!await IsMetAsync(step.Text)) return (step.Line, $"expected {step.Text}, got {client.Last?.ToString().Replace('\n', ' ') ?? (client.IsClosed ? "closed" : "nothing")}");
                continue;
            }
            if (client.IsClosed) return (step.Line, "the server has hung up");
            if (step.Kind == TrialScript.StepKind.SendMail)
            {
                if (client.Last is not { Code: 354 }) return (step.Line, "the server has not asked for a mail (354)");
                Note(await client.SendMailAsync(mail), isMessage: true);
                continue;
            }
            bool quits = IsQuit(step.Text);
            SmtpReply? reply = await client.SayAsync(step.Text);
            _hasQuit |= quits && reply is { Code: 221 };
            if (!quits) Note(reply, isMessage: false);
            if (reply is { Code: 220 } && step.Text.Trim().Equals("STARTTLS", StringComparison.OrdinalIgnoreCase)) await client.StartTlsAsync();
        }
        if (!client.IsClosed && !script.Steps.Any(static step => IsQuit(step.Text))) _hasQuit = await client.SayAsync("QUIT") is not null;
        return null;
    }

    private static bool IsQuit(string line) => line.Trim().Equals("QUIT", StringComparison.OrdinalIgnoreCase);

    private void Note(SmtpReply? reply, bool isMessage)
    {
        if (reply is { IsPositive: false }) (Refusal, Acceptance) = (reply, null);
        else if (isMessage && reply is not null) (Refusal, Acceptance) = (null, reply);
    }

    private async Task<bool> IsMetAsync(string expected)
    {
        if (expected == "closed") return await client.WaitUntilClosedAsync();
        if (client.Last is not { } reply || !reply.ToString().StartsWith(expected[..3], StringComparison.Ordinal)) return false;
        return expected.Length == 3 || reply.ToString()[3..].Contains(expected[3..].Trim(), StringComparison.Ordinal);
    }

    // Answers what was refused.
    private async Task<SmtpReply?> TrySendAsync()
    {
        if (await client.ReadAsync() is not { IsPositive: true }) return client.Last;
        if (await client.SayAsync($"EHLO {options.Helo}") is not { IsPositive: true }) return client.Last;
        if (options.Tls)
        {
            if (await client.SayAsync("STARTTLS") is not { IsPositive: true }) return client.Last;
            await client.StartTlsAsync();
            if (await client.SayAsync($"EHLO {options.Helo}") is not { IsPositive: true }) return client.Last;
        }
        bool isInternational = options.To.Append(options.From).Any(static address => !System.Text.Ascii.IsValid(address));
        string parameters = (System.Text.Ascii.IsValid(mail.Span) ? "" : " BODY=8BITMIME") + (isInternational ? " SMTPUTF8" : "");
        if (await client.SayAsync($"MAIL FROM:<{options.From}>{parameters}") is not { IsPositive: true }) return client.Last;
        foreach (string recipient in options.To)
        {
            if (await client.SayAsync($"RCPT TO:<{recipient}>") is { IsPositive: true }) continue;
            if (client.Last is not { } reply) return null;
            _refused.Add((recipient, reply));
        }
        if (_refused.Count == options.To.Count) return _refused[^1].Reply;
        if (await client.SayAsync("DATA") is not { Code: 354 }) return client.Last;
        if (await client.SendMailAsync(mail) is not { IsPositive: true }) return client.Last;
        Acceptance = client.Last;
        return null;
    }
}

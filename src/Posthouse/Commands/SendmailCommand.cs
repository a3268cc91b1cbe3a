using System.Globalization;
using Posthouse.Commands.Submission;
using Posthouse.Server.Model;
using Posthouse.Server.Processes;

namespace Posthouse.Commands;

/// <summary>
/// <c>sendmail</c>: gives a message from the standard input to the server on this machine, by its socket. It adds From and
/// Date where they are missing (the server adds the rest), takes Bcc out, and encodes a text that SMTP could not carry.
/// </summary>
public static class SendmailCommand
{
    private const string Usage = "usage: sendmail [-itv] [-F NAME] [-f FROM] [-N NOTIFY] [-R RET] [-V ENVID] [--state DIR] [TO …]";

    /// <summary>Exit status of sysexits(3): 0 when the server has taken the message, 75 when trying again may help.</summary>
    public static int Run(string[] args, Terminal? terminal = null, TimeProvider? time = null, Author? author = null)
    {
        terminal ??= Terminal.Process;
        if (args is [OfflineMail.Argument, var waiting]) return SendOffline(new(waiting), terminal);
        if (SendmailOptions.Parse(args, out string? error) is not { } options)
        {
            terminal.Error.WriteLine($"sendmail: {error}\n{Usage}");
            return ExitStatus.Usage;
        }
        string[] state = options.State is { } directory ? ["--state", directory] : [];
        return options.Mode switch
        {
            'p' => MailqCommand.Run(state, terminal),
            'i' => NewaliasesCommand.Run(state, terminal),
            _ => Send(options, terminal, author ?? Author.OfProcess(), time ?? TimeProvider.System),
        };
    }

    private static int Send(SendmailOptions options, Terminal terminal, Author author, TimeProvider time)
    {
        // Programs that forget -i must not lose what stands behind a dot; only at a terminal it ends the message.
        using Draft draft = Draft.Read(terminal.Input, dotEnds: terminal.IsInteractive && !options.IgnoresDots);
        List<string> recipients = [.. options.Recipients];
        if (options.TakesHeaderRecipients)
            recipients.AddRange(draft.Header.Recipients);
        if (recipients.Count == 0)
        {
            terminal.Error.WriteLine($"sendmail: no recipients\n{Usage}");
            return options.TakesHeaderRecipients ? ExitStatus.Data : ExitStatus.Usage;
        }

        string sender = options.Sender ?? author.User;
        Complete(draft, author, options, time);
        Delivery delivery = new(sender, [.. recipients.Distinct(StringComparer.Ordinal)])
        {
            Notify = options.Notification.Notify,
            Return = options.Notification.Return,
            EnvelopeId = options.Notification.EnvelopeId,
        };
        StateDirectory state = StateDirectory.Find(options.State);
        SubmissionResult result = SubmissionClient.Send(state.SmtpSocket, delivery, draft, options.IsVerbose ? terminal.Error : null);
        if (result.IsUnanswered)
        {
            string? failure = OfflineMessage.Save(state, delivery, draft);
            if (options.IsVerbose) terminal.Error.WriteLine($"sendmail: {result.Text}; {(failure is null ? "the message waits for a server" : $"the message cannot wait: {failure}")}");
            if (failure is null) return ExitStatus.Ok;
        }
        if (result.Status != ExitStatus.Ok)
        {
            terminal.Error.WriteLine($"sendmail: {result.Text}");
            terminal.Error.WriteLine($"sendmail: {DeadLetter.Save(draft, sender, author.Home, time.GetUtcNow())}");
        }
        return result.Status;
    }

    // What the server's parent starts, as the owner of a file that waited.
    private static int SendOffline(StateDirectory state, Terminal terminal)
    {
        if (OfflineMessage.Read(terminal.Input) is not { } message)
        {
            terminal.Error.WriteLine("it was not written by sendmail");
            return ExitStatus.Data;
        }
        using Draft draft = message.Draft;
        draft.EncodeIfNeeded();
        SubmissionResult result = SubmissionClient.Send(state.SmtpSocket, message.Delivery, draft, trace: null);
        if (result.Status != ExitStatus.Ok) terminal.Error.WriteLine(result.Text);
        return result.Status;
    }

    private static void Complete(Draft draft, Author author, SendmailOptions options, TimeProvider time)
    {
        DraftHeader header = draft.Header;
        header.Remove("bcc");
        if (!header.Has("from"))
        {
            string address = options.Sender is { Length: > 0 } given ? given : author.User;
            string from = Author.From(options.FullName ?? author.FullName, address);
            header.Add("From", from);
        }
        if (!header.Has("date"))
        {
            DateTimeOffset now = time.GetLocalNow();
            string zone = now.ToString("zzz", CultureInfo.InvariantCulture).Replace(":", "", StringComparison.Ordinal);
            header.Add("Date", $"{now.ToString("ddd, d MMM yyyy HH:mm:ss", CultureInfo.InvariantCulture)} {zone}");
        }
        draft.EncodeIfNeeded();
    }
}

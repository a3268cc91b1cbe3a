using Posthouse.Commands.Submission;

namespace Posthouse.Commands;

/// <summary>The command line of sendmail. What other implementations know and this one has no use for is taken and ignored.</summary>
public sealed record SendmailOptions
{
    private const int LongestEnvelopeId = 100;

    /// <summary>Another command under sendmail's name: <c>-bp</c> is mailq, <c>-bi</c> newaliases; null: send.</summary>
    public char? Mode { get; private init; }

    /// <summary>Envelope sender (<c>-f</c>, <c>-r</c>); null: the user.</summary>
    public string? Sender { get; private init; }

    /// <summary>The user's full name (<c>-F</c>).</summary>
    public string? FullName { get; private init; }

    /// <summary>Whether To, Cc and Bcc name recipients (<c>-t</c>).</summary>
    public bool TakesHeaderRecipients { get; private init; }

    /// <summary>Whether a line with only a dot is text (<c>-i</c>).</summary>
    public bool IgnoresDots { get; private init; }

    /// <summary>Whether the dialogue is shown (<c>-v</c>).</summary>
    public bool IsVerbose { get; private init; }

    /// <summary>State directory (<c>--state</c>).</summary>
    public string? State { get; private init; }

    /// <summary>NOTIFY (<c>-N</c>), RET (<c>-R</c>) and ENVID (<c>-V</c>).</summary>
    public (string? Notify, string? Return, string? EnvelopeId) Notification { get; private init; }

    /// <summary>Recipients on the command line.</summary>
    public IReadOnlyList<string> Recipients { get; private init; } = [];

    /// <summary>Reads a command line; null, with the reason in <paramref name="error"/>, when it is wrong.</summary>
    public static SendmailOptions? Parse(string[] args, out string? error)
    {
        ArgumentReader reader = new(args);
        SendmailOptions options = new();
        error = null;
        while (reader.NextOption() is { } option)
        {
            if (option is "-t" or "-i" or "-v" or "-x" or "-e" or "-E" or "-m")
            {
                options = option switch
                {
                    "-t" => options with { TakesHeaderRecipients = true },
                    "-i" => options with { IgnoresDots = true },
                    "-v" => options with { IsVerbose = true },
                    _ => options,
                };
                // Old software writes -em, -ep and the like: what is attached means nothing here.
                if (option == "-e")
                    reader.Value();
                continue;
            }
            string? value = reader.Value();
            if (value is null || value.Any(char.IsControl))
            {
                error = $"option {option} needs a value";
                return null;
            }
            switch (option)
            {
                case "-f" or "-r":
                    options = options with { Sender = Address(value) };
                    break;
                case "-F":
                    options = options with { FullName = value };
                    break;
                case "-b":
                    options = options with { Mode = value is ['p' or 'i', ..] ? value[0] : null };
                    break;
                case "-o":
                    options = options with { IgnoresDots = options.IgnoresDots || value == "i" };
                    break;
                case "-N" when IsNotify(value):
                    options = options with { Notification = options.Notification with { Notify = value } };
                    break;
                case "-R" when IsReturn(value):
                    options = options with { Notification = options.Notification with { Return = value } };
                    break;
                case "-V" when value.Length <= LongestEnvelopeId:
                    options = options with { Notification = options.Notification with { EnvelopeId = value } };
                    break;
                case "--state":
                    options = options with { State = value };
                    break;
                case "-A" or "-B" or "-L" or "-p":
                    break;
                default:
                    error = option == "-q" ? "the queue is run by the server" : $"option {option} {value} is not known";
                    return null;
            }
        }
        if (reader.Rest.Any(static word => word.Any(char.IsControl)))
        {
            error = "a recipient has control characters";
            return null;
        }
        return options with { Recipients = [.. reader.Rest.SelectMany(static word => AddressList.Parse(Bytes(word)))] };
    }

    /// <summary>Whether a delivery asks for notifications (RFC 3461) only as the command line could.</summary>
    public static bool IsNotification(Delivery delivery) =>
        (delivery.Notify is null || IsNotify(delivery.Notify)) && (delivery.Return is null || IsReturn(delivery.Return)) && (delivery.EnvelopeId ?? "").Length <= LongestEnvelopeId;

    /// <summary>The address without brackets; <c>&lt;&gt;</c> and nothing are the null sender.</summary>
    private static string Address(string text) => AddressList.Parse(Bytes(text)) is [var address, ..] ? address : "";

    /// <summary>Text as characters that stand for its bytes, as the header of a message is read.</summary>
    private static string Bytes(string text) => System.Text.Encoding.Latin1.GetString(System.Text.Encoding.UTF8.GetBytes(text));

    private static bool IsReturn(string value) => value.ToLowerInvariant() is "full" or "hdrs";

    private static bool IsNotify(string value) =>
        value.ToLowerInvariant().Split(',') is var words
        && (words is ["never"] || words.All(static word => word is "success" or "failure" or "delay"));
}

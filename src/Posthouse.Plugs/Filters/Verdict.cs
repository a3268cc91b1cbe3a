using System.Text;

namespace Posthouse.Plugs.Filters;

/// <summary>What a filter decides about one request of a session (smtpd-filters(7), "filter-result").</summary>
public readonly record struct Verdict
{
    private readonly string? _decision;

    private Verdict(string decision, string? parameter) => (_decision, Parameter) = (decision, parameter);

    /// <summary>No objection: the next filter is asked, and after the last one the command is done.</summary>
    public static Verdict Proceed => default;

    /// <summary>The mail is marked as spam, by <c>X-Spam: Yes</c> on top of it; the command proceeds. Not possible at commit.</summary>
    public static Verdict Junk => new("junk", null);

    /// <summary>The answer of a filter that could not do its work: the client tries again later.</summary>
    public static Verdict TryLater => Reject("451 4.3.0 Temporary failure of a mail filter");

    /// <summary>The word on the wire: proceed, junk, reject, disconnect, rewrite or report.</summary>
    public string Decision => _decision ?? "proceed";

    /// <summary>The reply, new value or text that goes with the decision; null where it takes none.</summary>
    public string? Parameter { get; }

    /// <summary>Whether the command goes on as it is.</summary>
    public bool IsProceed => _decision is null;

    /// <summary>The command is refused with <paramref name="reply"/>, such as <c>550 5.7.1 No</c>.</summary>
    /// <exception cref="ArgumentException">The reply is not a 4xx or 5xx code, a space and text.</exception>
    public static Verdict Reject(string reply) => new("reject", CheckReply(reply));

    /// <summary>As <see cref="Reject"/>, and the connection is closed.</summary>
    /// <exception cref="ArgumentException">The reply is not a 4xx or 5xx code, a space and text.</exception>
    public static Verdict Disconnect(string reply) => new("disconnect", CheckReply(reply));

    /// <summary>
    /// The command is done with another value: a HELO name, the argument of AUTH, an address. An address may stand without its <c>&lt;&gt;</c>; ESMTP
    /// parameters that shall stay must be given again, as in <c>&lt;a@example.org&gt; SIZE=1000</c>.
    /// </summary>
    public static Verdict Rewrite(string value) => new("rewrite", Clean(value));

    /// <summary>The command proceeds and the text becomes a filter-report event; of use at connect, starttls, data, commit, rset, quit and noop.</summary>
    public static Verdict Report(string text) => new("report", Clean(text));

    /// <summary>Decision and parameter as on the wire.</summary>
    public override string ToString() => Parameter is null ? Decision : $"{Decision}|{Parameter}";

    /// <summary>Reads the wire's form; a null for anything that is none.</summary>
    internal static Verdict? Parse(string text)
    {
        int bar = text.IndexOf('|');
        string decision = bar < 0 ? text : text[..bar];
        string? parameter = bar < 0 ? null : text[(bar + 1)..];
        return decision switch
        {
            "proceed" when parameter is null => Proceed,
            "junk" when parameter is null => Junk,
            "reject" or "disconnect" when parameter is not null && IsReply(parameter) => new(decision, parameter),
            "rewrite" or "report" when parameter is not null => new(decision, parameter),
            _ => null,
        };
    }

    /// <summary>The verdict with the address in the form that MAIL and RCPT need.</summary>
    internal Verdict WithPath() => _decision == "rewrite" && !Parameter!.StartsWith('<') ? new("rewrite", $"<{Parameter}>") : this;

    private static string CheckReply(string reply) =>
        IsReply(reply) ? Clean(reply) : throw new ArgumentException($"a reply is a code from 400 to 599, a space and text, not \"{reply}\"", nameof(reply));

    private static bool IsReply(string text) =>
        text.Length >= 5 && text[0] is '4' or '5' && char.IsAsciiDigit(text[1]) && char.IsAsciiDigit(text[2]) && text[3] == ' ';

    // Text that came from a mail must not end the line and begin another.
    private static string Clean(string text)
    {
        if (text.AsSpan().IndexOfAny('\r', '\n', '\0') < 0) return text;
        StringBuilder clean = new(text);
        return clean.Replace('\r', ' ').Replace('\n', ' ').Replace('\0', ' ').ToString();
    }
}

using System.Text;
using Posthouse.Server.Configuration;
using Posthouse.Server.Filtering;
using Posthouse.Wire;

namespace Posthouse.Server.Receiving;

/// <summary>What filters have to say to commands: a command whose syntax and place are right becomes a question, and its effect waits for the answer.</summary>
public sealed partial class SmtpDialogue
{
    private bool _isAsking;
    private bool _isTurnedAway;

    /// <summary>What the filters are to be asked, as long as a step is <see cref="SessionAction.Ask"/>.</summary>
    public (FilterPhase Phase, string Parameter) Question { get; private set; }

    /// <summary>The command of the line just taken; <see cref="SmtpVerb.Auth"/> for all lines of an AUTH exchange.</summary>
    public SmtpVerb Verb { get; private set; }

    /// <summary>With filters, the address of the last MAIL or RCPT as the client or a filter wrote it, well-formed or not, without its brackets; empty for the null sender.</summary>
    public string Address { get; private set; } = "";

    /// <summary>The client was greeted with a refusal: from now on every command but QUIT is answered by 503 (RFC 5321 section 3.1).</summary>
    public void TurnAway() => _isTurnedAway = true;

    /// <summary>The filters have answered <see cref="Question"/>. What they put in place of a parameter is checked as the client's own was.</summary>
    /// <exception cref="InvalidOperationException">Nothing was asked.</exception>
    public SessionStep Decide(FilterVerdict verdict)
    {
        if (!_isAsking)
            throw new InvalidOperationException("the filters were not asked");
        (FilterPhase phase, string parameter) = Question;
        Question = default;
        _isAsking = false;
        if (verdict.Refusal is { } refusal)
            return verdict.Closes ? new(SessionAction.Close, refusal) : RefusedByFilter(phase, refusal);
        string? rewritten = verdict.Rewritten;
        switch (phase)
        {
            case FilterPhase.Helo or FilterPhase.Ehlo:
                return rewritten == null || HostName.IsValidGreeting(Encoding.UTF8.GetBytes(rewritten))
                    ? Identify(rewritten ?? parameter, phase == FilterPhase.Ehlo)
                    : Wrong(Replies.GreetingName);
            case FilterPhase.StartTls:
                return rewritten == null ? new(SessionAction.StartTls, Replies.ReadyForTls) : Wrong(Replies.NoParameter);
            case FilterPhase.Auth:
                return BeginAuth(Encoding.UTF8.GetBytes(rewritten ?? parameter));
            case FilterPhase.MailFrom:
                return rewritten == null ? new(SessionAction.JudgeSender) : RewriteMail(Argument("FROM:", rewritten));
            case FilterPhase.RcptTo:
                return rewritten == null ? new(SessionAction.JudgeRecipient) : RewriteRecipient(Argument("TO:", rewritten));
            case FilterPhase.Data:
                return rewritten != null ? RefusedByFilter(phase, Replies.NothingToRewrite)
                    : Verb == SmtpVerb.Bdat ? new(SessionAction.TakeChunk) : new(SessionAction.TakeContent, Replies.EnterMail);
            case FilterPhase.Rset:
                return Reset();
            case FilterPhase.Quit:
                return new(SessionAction.Close, Replies.Bye);
            default:
                return new(SessionAction.Reply, Replies.Ok);
        }
    }

    private bool HasFilters => _profile.Filters != null;

    private SessionStep Ask(FilterPhase phase, string parameter = "")
    {
        Question = (phase, parameter);
        _isAsking = true;
        return new(SessionAction.Ask);
    }

    // Refused addresses are nobody's error, whoever refuses them.
    private SessionStep RefusedByFilter(FilterPhase phase, SmtpReply reply)
    {
        if (phase is FilterPhase.MailFrom or FilterPhase.RcptTo)
            return new(SessionAction.Reply, reply);
        SessionStep step = Wrong(reply);
        if (phase != FilterPhase.Data || Verb != SmtpVerb.Bdat)
            return step;
        _chunking = _failed = true;
        return step.Action == SessionAction.Reply ? new(SessionAction.DiscardChunk, reply) : step;
    }

    private SessionStep RewriteMail(byte[] argument)
    {
        if (ReadMail(argument) is { } error)
            return error;
        Address = AddressOf(argument);
        return new(SessionAction.JudgeSender);
    }

    private SessionStep RewriteRecipient(byte[] argument)
    {
        if (ReadRecipient(argument) is { } error)
            return error;
        Address = AddressOf(argument);
        return new(SessionAction.JudgeRecipient);
    }

    // A filter gives an address with its brackets and parameters behind them, or forgets the brackets.
    private static byte[] Argument(string prefix, string value) =>
        Encoding.UTF8.GetBytes(value.StartsWith('<') ? prefix + value : $"{prefix}<{value}>");

    private static string AddressOf(ReadOnlySpan<byte> argument)
    {
        ReadOnlySpan<byte> path = argument[(argument.IndexOf((byte)':') + 1)..].TrimStart((byte)' ');
        if (MailPath.TryParse(path, out Mailbox? mailbox, out int length))
            return mailbox == null ? "" : path[1] == '@' ? mailbox.ToString() : Encoding.UTF8.GetString(path[1..(length - 1)]);
        int end = path.IndexOf(path is [(byte)'<', ..] ? (byte)'>' : (byte)' ');
        return Encoding.UTF8.GetString((end < 0 ? path : path[..end]).Trim("<>"u8));
    }
}

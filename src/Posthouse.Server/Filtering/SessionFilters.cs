using System.Buffers;
using System.Globalization;
using System.Net;
using System.Text;
using Posthouse.Plugs;
using Posthouse.Server.Configuration;
using Posthouse.Server.Naming;
using Posthouse.Wire;

namespace Posthouse.Server.Filtering;

/// <summary>
/// One session's conversation with the filters of its listener: the session says what happens, asks before it does what a client wants, and has its
/// messages pass through. Used by the session alone, one call at a time; what filters say by themselves comes in beside.
/// </summary>
public sealed class SessionFilters
{
    private readonly FilterChain _chain;
    private readonly FilterLink[] _links;
    private readonly FilterFacts _facts = new();
    private MessageId _message;
    private MessageFiltering? _filtering;
    private bool _junkSession;
    private bool _junkTransaction;
    private bool _inTransaction;
    private bool _ended;

    internal SessionFilters(FilterChain chain, string id)
    {
        _chain = chain;
        Id = id;
        Number = ulong.Parse(id, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
        _links = new FilterLink[chain.Hosts.Length];
        for (int i = 0; i < _links.Length; i++) _links[i] = chain.Hosts[i].Link(this);
    }

    /// <summary>The session's id.</summary>
    public string Id { get; }

    /// <summary>Whether the message that comes, if there is one, is junk: it gets <c>X-Spam: Yes</c> before everything else.</summary>
    public bool IsJunk => _junkSession || _junkTransaction;

    internal ulong Number { get; }

    internal SessionHistory History { get; } = new();

    internal FilterLink[] Links => _links;

    internal FilterChain Chain => _chain;

    /// <summary>Whether a program listens to an event, so that its parameters are worth making.</summary>
    public bool Wants(FilterEvent what)
    {
        foreach (FilterLink link in _links)
            if (link.Wants(what)) return true;
        return false;
    }

    /// <summary>A client connected.</summary>
    /// <param name="remote">Its address; null: a program of this machine.</param>
    /// <param name="local">Where it connected to; null likewise.</param>
    /// <param name="reverseName">Its name, or <c>&lt;unknown&gt;</c>.</param>
    /// <param name="confirmation">Whether the name leads back.</param>
    /// <param name="socket">The path of the local socket, where it is one.</param>
    public void LinkConnect(IPEndPoint? remote, IPEndPoint? local, string reverseName, ForwardConfirmation confirmation, string socket = "")
    {
        _facts.Client = remote?.Address;
        _facts.ReverseName = reverseName;
        _facts.IsConfirmed = confirmation == ForwardConfirmation.Pass;
        if (!Takes(FilterEvent.LinkConnect)) return;
        string fcrdns = confirmation switch { ForwardConfirmation.Pass => "pass", ForwardConfirmation.Fail => "fail", _ => "error" };
        Report(FilterEvent.LinkConnect, $"{reverseName}|{fcrdns}|{Text(remote, socket)}|{Text(local, socket)}");
    }

    /// <summary>The banner was given, under this name.</summary>
    public void LinkGreeting(string hostName)
    {
        if (Takes(FilterEvent.LinkGreeting)) Report(FilterEvent.LinkGreeting, hostName);
    }

    /// <summary>HELO or EHLO was accepted.</summary>
    public void LinkIdentify(bool extended, string identity)
    {
        _facts.Helo = identity;
        if (Takes(FilterEvent.LinkIdentify)) Report(FilterEvent.LinkIdentify, $"{(extended ? "EHLO" : "HELO")}|{identity}");
    }

    /// <summary>TLS is on: version, cipher and bits, with colons between them. The client has to identify itself anew.</summary>
    public void LinkTls(string ciphers)
    {
        _facts.Helo = null;
        if (Takes(FilterEvent.LinkTls)) Report(FilterEvent.LinkTls, ciphers);
    }

    /// <summary>AUTH was tried; <paramref name="right"/> is null when that could not be found out.</summary>
    public void LinkAuth(bool? right, string user)
    {
        if (right == true) _facts.User = user;
        if (Takes(FilterEvent.LinkAuth)) Report(FilterEvent.LinkAuth, $"{right switch { true => "pass", false => "fail", null => "error" }}|{Visible(user)}");
    }

    /// <summary>The client was silent for too long.</summary>
    public void Timeout()
    {
        if (Takes(FilterEvent.Timeout)) Report(FilterEvent.Timeout, null);
    }

    /// <summary>The session is over. Gives up an open transaction; nothing can be said or asked afterwards.</summary>
    public void LinkDisconnect()
    {
        if (_ended) return;
        TxRollback();
        _ended = true;
        foreach (FilterLink link in _links) link.End();
        Flush();
    }

    /// <summary>MAIL was accepted: a transaction with this message begins.</summary>
    public void TxBegin(MessageId message)
    {
        _message = message;
        _inTransaction = true;
        if (Takes(FilterEvent.TxBegin)) Report(FilterEvent.TxBegin, $"{message}");
    }

    /// <summary>MAIL was answered.</summary>
    public void TxMail(SmtpReply reply, string address)
    {
        if (TakesInTransaction(FilterEvent.TxMail)) Report(FilterEvent.TxMail, $"{_message}|{Result(reply)}|{address}");
    }

    /// <summary>RCPT was answered.</summary>
    public void TxRcpt(SmtpReply reply, string address)
    {
        if (TakesInTransaction(FilterEvent.TxRcpt)) Report(FilterEvent.TxRcpt, $"{_message}|{Result(reply)}|{address}");
    }

    /// <summary>A recipient made an envelope; said before RCPT is answered.</summary>
    public void TxEnvelope(EnvelopeId envelope)
    {
        if (TakesInTransaction(FilterEvent.TxEnvelope)) Report(FilterEvent.TxEnvelope, $"{_message}|{envelope}");
    }

    /// <summary>DATA was answered.</summary>
    public void TxData(SmtpReply reply)
    {
        if (TakesInTransaction(FilterEvent.TxData)) Report(FilterEvent.TxData, $"{_message}|{Result(reply)}");
    }

    /// <summary>The message is in the queue, with this many bytes; the transaction is over.</summary>
    public void TxCommit(long size) => EndTransaction(FilterEvent.TxCommit, size);

    /// <summary>The transaction is given up, if there is one.</summary>
    public void TxRollback() => EndTransaction(FilterEvent.TxRollback, 0);

    /// <summary>A line of the client, without its end. Secrets must be masked by the caller.</summary>
    public void ProtocolClient(ReadOnlySpan<byte> line)
    {
        if (Wants(FilterEvent.ProtocolClient)) Tell(FilterEvent.ProtocolClient, Encoding.Latin1.GetString(line), Encoding.Latin1);
    }

    /// <summary>A reply of the server, told line by line.</summary>
    public void ProtocolServer(SmtpReply reply)
    {
        if (!Wants(FilterEvent.ProtocolServer)) return;
        ArrayBufferWriter<byte> text = new(256);
        ReplyFormat.Write(text, reply);
        ReadOnlySpan<byte> rest = text.WrittenSpan;
        for (int end; (end = rest.IndexOf("\r\n"u8)) >= 0; rest = rest[(end + 2)..])
            Tell(FilterEvent.ProtocolServer, Encoding.Latin1.GetString(rest[..end]), Encoding.Latin1);
    }

    /// <summary>
    /// Asks the filters in their order about a command whose syntax and place are right, and says what they decided. At connect the parameter is not needed.
    /// Never throws.
    /// </summary>
    /// <param name="phase">The command; not <see cref="FilterPhase.DataLine"/>.</param>
    /// <param name="parameter">What the client gave with it, or nothing; of MAIL and RCPT the bare address.</param>
    public async ValueTask<FilterVerdict> AskAsync(FilterPhase phase, string parameter = "")
    {
        if (phase == FilterPhase.Connect) parameter = $"{_facts.ReverseName}|{_facts.AddressText}";
        if (phase == FilterPhase.MailFrom)
        {
            _facts.Sender = parameter;
            _junkTransaction = false;
        }
        if (phase == FilterPhase.RcptTo) _facts.Recipient = parameter;
        if (phase is FilterPhase.Helo or FilterPhase.Ehlo) _facts.Helo = parameter;
        string? rewritten = null;
        foreach (FilterChain.ChainMember member in _chain.Members)
        {
            FilterAnswer answer;
            if (member.Builtin is { } builtin)
            {
                if (builtin.Phase != phase) continue;
                ValueTask<FilterAnswer> judging = builtin.JudgeAsync(_facts, _chain.Environment);
                answer = judging.IsCompletedSuccessfully ? judging.Result : await judging;
                if (answer.Kind == FilterAnswerKind.Bypass) break;
            }
            else
            {
                ValueTask<FilterAnswer> asking = _links[member.Host].AskAsync(phase, parameter);
                answer = asking.IsCompletedSuccessfully ? asking.Result : await asking;
            }
            switch (answer.Kind)
            {
                case FilterAnswerKind.Reject or FilterAnswerKind.Disconnect:
                    SmtpReply reply = FilterReply.Parse(answer.Text);
                    bool closes = answer.Kind == FilterAnswerKind.Disconnect || reply.Code == 421;
                    Respond(phase, closes ? "disconnect" : "reject", answer.Text);
                    return new(reply, closes);
                case FilterAnswerKind.Junk when phase < FilterPhase.DataLine:
                    if (_inTransaction || phase is >= FilterPhase.MailFrom) _junkTransaction = true;
                    else _junkSession = true;
                    Respond(phase, "junk", null);
                    break;
                case FilterAnswerKind.Report:
                    Respond(phase, "report", answer.Text);
                    ReportOf(member, answer.Text ?? "");
                    break;
                case FilterAnswerKind.Rewrite when TakesRewrite(phase):
                    Respond(phase, "rewrite", answer.Text);
                    rewritten = answer.Text ?? "";
                    parameter = BareParameter(phase, rewritten);
                    if (phase == FilterPhase.MailFrom) _facts.Sender = parameter;
                    if (phase == FilterPhase.RcptTo) _facts.Recipient = parameter;
                    break;
            }
        }
        if (rewritten is null) Respond(phase, "proceed", null);
        return new(Rewritten: rewritten);
    }

    /// <summary>
    /// Begins a message, from its first header field on (ours included). Null when no filter wants its lines. What the filters make of it goes to
    /// <paramref name="output"/>, called by <see cref="MessageFiltering.WriteAsync"/> and <see cref="MessageFiltering.CompleteAsync"/> only.
    /// </summary>
    public MessageFiltering? BeginMessage(Func<ReadOnlyMemory<byte>, ValueTask> output)
    {
        List<FilterLink>? wanting = null;
        foreach (FilterChain.ChainMember member in _chain.Members)
        {
            if (member.Builtin is null && _links[member.Host].HasPhase(FilterPhase.DataLine) && wanting?.Contains(_links[member.Host]) != true)
                (wanting ??= []).Add(_links[member.Host]);
        }
        return _filtering = wanting is null ? null : new MessageFiltering(wanting, output, _chain.Environment);
    }

    /// <summary>Sends what was said. To be called before the session waits for its client; waits while a program takes no more.</summary>
    public ValueTask FlushAsync()
    {
        Flush();
        foreach (FilterLink link in _links)
        {
            if (!link.HasRoom) return WaitForRoomAsync();
        }
        return default;
    }

    internal MessageId Message => _message;

    /// <summary>Something that a filter said about this session; from any thread.</summary>
    internal void ReportFrom(string kind, string filter, string text)
    {
        if (!Wants(FilterEvent.FilterReport)) return;
        byte[] line = FilterLines.Report(Now, FilterEvent.FilterReport, Id, $"{kind}|{filter}|{text}", Encoding.UTF8);
        foreach (FilterLink link in _links)
        {
            // A filter that talks without end must not fill the pipes of the others.
            if (link.HasRoom) link.Tell(FilterEvent.FilterReport, line);
        }
    }

    private async ValueTask WaitForRoomAsync()
    {
        foreach (FilterLink link in _links) await link.WaitForRoomAsync();
    }

    private void Flush()
    {
        foreach (FilterLink link in _links) link.Flush();
    }

    private void ReportOf(FilterChain.ChainMember member, string text) => ReportFrom(member.Builtin is null ? "proc" : "builtin", member.Name, text);

    private void Respond(FilterPhase phase, string decision, string? text)
    {
        if (Wants(FilterEvent.FilterResponse))
            Tell(FilterEvent.FilterResponse, $"{FilterWords.InResponse(phase)}|{decision}{(text is null ? "" : "|" + text)}", Encoding.UTF8);
    }

    // Whether an event is worth its line: somebody listens, or may listen after a start.
    private bool Takes(FilterEvent what)
    {
        if (_ended) return false;
        foreach (FilterLink link in _links)
            if (link.MayWant(what)) return true;
        return false;
    }

    private bool TakesInTransaction(FilterEvent what) => _inTransaction && Takes(what);

    private void EndTransaction(FilterEvent what, long size)
    {
        _junkTransaction = false;
        if (!_inTransaction) return;
        _inTransaction = false;
        byte[] end = Takes(what) ? FilterLines.Report(Now, what, Id, what == FilterEvent.TxCommit ? $"{_message}|{size}" : $"{_message}", Encoding.UTF8) : [];
        byte[] reset = Takes(FilterEvent.TxReset) ? FilterLines.Report(Now, FilterEvent.TxReset, Id, $"{_message}", Encoding.UTF8) : [];
        foreach (FilterLink link in _links) link.EndTransaction(what, end, reset);
        History.EndTransaction();
        _filtering?.Abandon();
        _filtering = null;
        _message = default;
    }

    // What a restarted filter has to hear again is remembered; everything else is only told.
    private void Report(FilterEvent what, string? parameters)
    {
        byte[] line = FilterLines.Report(Now, what, Id, parameters, Encoding.UTF8);
        bool isKept = History.Add(what, line);
        foreach (FilterLink link in _links) link.Tell(what, line, isKept);
    }

    private void Tell(FilterEvent what, string parameters, Encoding encoding)
    {
        byte[] line = FilterLines.Report(Now, what, Id, parameters, encoding);
        foreach (FilterLink link in _links) link.Tell(what, line);
    }

    private DateTimeOffset Now => _chain.Environment.Time.GetUtcNow();

    private static bool TakesRewrite(FilterPhase phase) => phase is not (FilterPhase.Connect or FilterPhase.Rset or FilterPhase.Quit or FilterPhase.Noop);

    // Later filters see of a rewritten address what they would have seen of one that the client gave.
    private static string BareParameter(FilterPhase phase, string value)
    {
        if (phase is not (FilterPhase.MailFrom or FilterPhase.RcptTo)) return value;
        int open = value.IndexOf('<'), close = value.LastIndexOf('>');
        return open >= 0 && close > open ? value[(open + 1)..close] : value;
    }

    private static string Text(IPEndPoint? address, string socket) => address?.ToString() ?? $"unix:{socket}";

    private static string Result(SmtpReply reply) => reply.IsPositive ? "ok" : reply.IsTemporary ? "tempfail" : "permfail";

    // vis(3) as smtpd uses it: what is no printable ASCII, and the backslash, becomes an octal escape.
    private static string Visible(string user)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(user);
        if (!bytes.AsSpan().ContainsAnyExceptInRange((byte)'!', (byte)'~') && !user.Contains('\\')) return user;
        StringBuilder text = new();
        foreach (byte value in bytes)
        {
            if (value == '\\') text.Append("\\\\");
            else if (value is > 0x20 and < 0x7F) text.Append((char)value);
            else text.Append('\\').Append(Convert.ToString(value, 8).PadLeft(3, '0'));
        }
        return text.ToString();
    }
}

using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Posthouse.Plugs.Filters;

/// <summary>A filter that keeps nothing for its sessions. See <see cref="Filter{TState}"/>.</summary>
public sealed class Filter : Filter<object>;

/// <summary>
/// A filter of smtpd-filters(7): say what shall be handled, then <see cref="RunAsync(CancellationToken)"/>. It registers just what has a handler. A handler that
/// throws is written to the log and its request answered <see cref="Verdict.TryLater"/>; the filter lives on.
/// <para>Handlers of one session run one after another. A handler runs on the filter's one thread until it first waits, so one that works long should wait or be
/// asynchronous; what sessions share needs a lock as soon as one does. Handlers of whole messages always run on the thread pool.</para>
/// </summary>
/// <typeparam name="TState">What the filter keeps for each session; one that knows every session alike keeps <see cref="object"/>.</typeparam>
public class Filter<TState> where TState : class, new()
{
    private readonly Handlers _handlers = new(static key => new Session<TState>(key));
    private FilterLoop? _loop;

    /// <summary>Where exceptions of handlers are written; standard error by default, which the server puts in its log.</summary>
    public TextWriter Log { get; init; } = Console.Error;

    /// <summary>Whether events of the server's own sessions with other servers (smtp-out) are told too; false by default.</summary>
    public bool IncludesOutgoing
    {
        get => _handlers.IncludesOutgoing;
        init => _handlers.IncludesOutgoing = value;
    }

    /// <summary>What the server said of itself by <c>config|KEY|VALUE</c>; empty before the first handler runs.</summary>
    public IReadOnlyDictionary<string, string> Settings => _loop?.Dispatcher.Settings ?? new Dictionary<string, string>();

    /// <summary>A client has connected; nothing was said yet.</summary>
    public void OnConnect(Func<Session<TState>, Connect, Verdict> handler) => On(Phase.Connect, (session, text) => handler(session, Connect.Parse(text)));

    /// <inheritdoc cref="OnConnect(Func{Session{TState}, Connect, Verdict})"/>
    public void OnConnect(Func<Session<TState>, Connect, Task<Verdict>> handler) => On(Phase.Connect, (session, text) => handler(session, Connect.Parse(text)));

    /// <summary>HELO or EHLO with the client's name.</summary>
    public void OnHelo(Func<Session<TState>, string, Verdict> handler)
    {
        On(Phase.Helo, handler);
        On(Phase.Ehlo, handler);
    }

    /// <inheritdoc cref="OnHelo(Func{Session{TState}, string, Verdict})"/>
    public void OnHelo(Func<Session<TState>, string, Task<Verdict>> handler)
    {
        On(Phase.Helo, handler);
        On(Phase.Ehlo, handler);
    }

    /// <summary>STARTTLS.</summary>
    public void OnStartTls(Func<Session<TState>, Verdict> handler) => On(Phase.StartTls, (session, _) => handler(session));

    /// <summary>AUTH with its argument, in which passwords stand in clear.</summary>
    public void OnAuth(Func<Session<TState>, string, Verdict> handler) => On(Phase.Auth, handler);

    /// <inheritdoc cref="OnAuth(Func{Session{TState}, string, Verdict})"/>
    public void OnAuth(Func<Session<TState>, string, Task<Verdict>> handler) => On(Phase.Auth, handler);

    /// <summary>MAIL FROM with the address, without brackets; empty for the null sender.</summary>
    public void OnSender(Func<Session<TState>, string, Verdict> handler) => On(Phase.MailFrom, handler);

    /// <inheritdoc cref="OnSender(Func{Session{TState}, string, Verdict})"/>
    public void OnSender(Func<Session<TState>, string, Task<Verdict>> handler) => On(Phase.MailFrom, handler);

    /// <summary>RCPT TO with the address, without brackets.</summary>
    public void OnRecipient(Func<Session<TState>, string, Verdict> handler) => On(Phase.RcptTo, handler);

    /// <inheritdoc cref="OnRecipient(Func{Session{TState}, string, Verdict})"/>
    public void OnRecipient(Func<Session<TState>, string, Task<Verdict>> handler) => On(Phase.RcptTo, handler);

    /// <summary>DATA (or the first BDAT), before the message.</summary>
    public void OnData(Func<Session<TState>, Verdict> handler) => On(Phase.Data, (session, _) => handler(session));

    /// <inheritdoc cref="OnData(Func{Session{TState}, Verdict})"/>
    public void OnData(Func<Session<TState>, Task<Verdict>> handler) => On(Phase.Data, (session, _) => handler(session));

    /// <summary>The message has come whole and is about to be accepted.</summary>
    public void OnCommit(Func<Session<TState>, Verdict> handler) => On(Phase.Commit, (session, _) => handler(session));

    /// <inheritdoc cref="OnCommit(Func{Session{TState}, Verdict})"/>
    public void OnCommit(Func<Session<TState>, Task<Verdict>> handler) => On(Phase.Commit, (session, _) => handler(session));

    /// <summary>RSET.</summary>
    public void OnRset(Func<Session<TState>, Verdict> handler) => On(Phase.Rset, (session, _) => handler(session));

    /// <summary>NOOP.</summary>
    public void OnNoop(Func<Session<TState>, Verdict> handler) => On(Phase.Noop, (session, _) => handler(session));

    /// <summary>QUIT.</summary>
    public void OnQuit(Func<Session<TState>, Verdict> handler) => On(Phase.Quit, (session, _) => handler(session));

    /// <summary>Each line of the message, header and body; what the handler does not write is gone. Lines of a field that <see cref="OnHeader"/> handles are not given.</summary>
    public void OnLine(LineHandler<TState> handler)
    {
        Once(_handlers.Line, nameof(OnLine));
        _handlers.Line = (session, line, output) => handler((Session<TState>)session, line, output);
    }

    /// <summary>After the last line of the message; more may be written.</summary>
    public void OnMessageEnd(Action<Session<TState>, LineOutput> handler)
    {
        Once(_handlers.MessageEnd, nameof(OnMessageEnd));
        _handlers.MessageEnd = (session, output) => handler((Session<TState>)session, output);
    }

    /// <summary>Each field of this name (in any case): keep, remove or replace it. At most 64 KiB.</summary>
    public void OnHeader(string name, HeaderHandler<TState> handler)
    {
        byte[] bytes = System.Text.Encoding.ASCII.GetBytes(name);
        if (_handlers.Headers.Exists(other => System.Text.Ascii.EqualsIgnoreCase(other.Name, bytes))) throw new InvalidOperationException($"{name} has a handler already");
        _handlers.Headers.Add((bytes, (session, field) => handler((Session<TState>)session, field)));
        CheckObserver();
    }

    /// <summary>Before the header's first line: the place for trace fields, by <see cref="LineOutput.WriteField"/>.</summary>
    public void OnHeaderBegin(Action<Session<TState>, LineOutput> handler)
    {
        Once(_handlers.HeaderBegin, nameof(OnHeaderBegin));
        _handlers.HeaderBegin = (session, output) => handler((Session<TState>)session, output);
    }

    /// <summary>After the header's last field: the place for fields made from what was seen.</summary>
    public void OnHeaderEnd(Action<Session<TState>, LineOutput> handler)
    {
        Once(_handlers.HeaderEnd, nameof(OnHeaderEnd));
        _handlers.HeaderEnd = (session, output) => handler((Session<TState>)session, output);
    }

    /// <summary>
    /// The whole message, behind the handlers of lines and fields: new content, fields on top, unchanged, or a verdict that is answered at commit.
    /// Runs on the thread pool.
    /// </summary>
    public void OnMessage(Func<Session<TState>, Message, Task<MessageResult>> handler)
    {
        Once(_handlers.Message, nameof(OnMessage));
        _handlers.Message = (session, message) => handler((Session<TState>)session, message);
    }

    /// <inheritdoc cref="OnMessage(Func{Session{TState}, Message, Task{MessageResult}})"/>
    public void OnMessage(Func<Session<TState>, Message, MessageResult> handler) => OnMessage((session, message) => Task.FromResult(handler(session, message)));

    /// <summary>
    /// The whole message, to look at only; the verdict is answered at commit. Cheaper than <see cref="OnMessage(Func{Session{TState}, Message, Task{MessageResult}})"/>:
    /// nothing is sent back where the server offers it. Runs on the thread pool, and excludes every other handler of the message's content.
    /// </summary>
    public void OnObserve(Func<Session<TState>, Message, Task<Verdict>> handler)
    {
        Once(_handlers.Observe, nameof(OnObserve));
        _handlers.Observe = (session, message) => handler((Session<TState>)session, message);
        CheckObserver();
    }

    /// <inheritdoc cref="OnObserve(Func{Session{TState}, Message, Task{Verdict}})"/>
    public void OnObserve(Func<Session<TState>, Message, Verdict> handler) => OnObserve((session, message) => Task.FromResult(handler(session, message)));

    /// <summary>Every event, known to this version or not.</summary>
    public void OnReport(Action<Session<TState>, Report> handler) => On("*", handler);

    /// <inheritdoc cref="OnReport(Action{Session{TState}, Report})"/>
    public void OnReport(Func<Session<TState>, Report, Task> handler) => On("*", handler);

    /// <summary>Every event of one name on the wire, such as <c>timeout</c> or <c>protocol-client</c>.</summary>
    public void OnReport(string name, Action<Session<TState>, Report> handler) => On(name, handler);

    /// <inheritdoc cref="OnReport(string, Action{Session{TState}, Report})"/>
    public void OnReport(string name, Func<Session<TState>, Report, Task> handler) => On(name, handler);

    /// <summary>A session has begun; told before <see cref="OnConnect(Func{Session{TState}, Connect, Verdict})"/> asks.</summary>
    public void OnSessionBegin(Action<Session<TState>, ConnectReport> handler) => On("link-connect", handler);

    /// <inheritdoc cref="OnSessionBegin(Action{Session{TState}, ConnectReport})"/>
    public void OnSessionBegin(Func<Session<TState>, ConnectReport, Task> handler) => On("link-connect", handler);

    /// <summary>The client was greeted.</summary>
    public void OnGreeted(Action<Session<TState>, LinkReport> handler) => On("link-greeting", handler);

    /// <summary>The client has named itself and was accepted.</summary>
    public void OnIdentified(Action<Session<TState>, LinkReport> handler) => On("link-identify", handler);

    /// <summary>The session is encrypted.</summary>
    public void OnEncrypted(Action<Session<TState>, LinkReport> handler) => On("link-tls", handler);

    /// <summary>The client has authenticated, or failed to (<see cref="LinkReport.Kind"/>).</summary>
    public void OnAuthenticated(Action<Session<TState>, LinkReport> handler) => On("link-auth", handler);

    /// <summary>The session has ended; its state goes after this.</summary>
    public void OnSessionEnd(Action<Session<TState>, Report> handler) => On("link-disconnect", handler);

    /// <inheritdoc cref="OnSessionEnd(Action{Session{TState}, Report})"/>
    public void OnSessionEnd(Func<Session<TState>, Report, Task> handler) => On("link-disconnect", handler);

    /// <summary>A transaction was opened.</summary>
    public void OnTransactionBegin(Action<Session<TState>, TransactionReport> handler) => On("tx-begin", handler);

    /// <summary>MAIL was answered.</summary>
    public void OnTransactionSender(Action<Session<TState>, TransactionReport> handler) => On("tx-mail", handler);

    /// <summary>RCPT was answered.</summary>
    public void OnTransactionRecipient(Action<Session<TState>, TransactionReport> handler) => On("tx-rcpt", handler);

    /// <summary>A recipient has led to an envelope.</summary>
    public void OnTransactionEnvelope(Action<Session<TState>, TransactionReport> handler) => On("tx-envelope", handler);

    /// <summary>DATA was answered.</summary>
    public void OnTransactionData(Action<Session<TState>, TransactionReport> handler) => On("tx-data", handler);

    /// <summary>The message is in the queue.</summary>
    public void OnTransactionCommit(Action<Session<TState>, TransactionReport> handler) => On("tx-commit", handler);

    /// <inheritdoc cref="OnTransactionCommit(Action{Session{TState}, TransactionReport})"/>
    public void OnTransactionCommit(Func<Session<TState>, TransactionReport, Task> handler) => On("tx-commit", handler);

    /// <summary>The transaction was given up.</summary>
    public void OnTransactionRollback(Action<Session<TState>, TransactionReport> handler) => On("tx-rollback", handler);

    /// <summary>The transaction is over, one way or the other: the place to forget what was kept for it.</summary>
    public void OnTransactionReset(Action<Session<TState>, TransactionReport> handler) => On("tx-reset", handler);

    /// <summary>Runs the filter on standard input and output until the input ends. Nothing else may write to standard output.</summary>
    /// <returns>The exit code: 0 at the end of input, 1 after a broken stream.</returns>
    public Task<int> RunAsync(CancellationToken cancellation = default) => RunAsync(new SafeFileHandle(0, ownsHandle: false), new SafeFileHandle(1, ownsHandle: false), cancellation);

    /// <summary>Runs the filter on two open descriptors, which may be one, on a thread of its own.</summary>
    /// <returns>The exit code: 0 at the end of input or on cancellation, 1 after a broken stream.</returns>
    /// <exception cref="InvalidOperationException">It runs already.</exception>
    public Task<int> RunAsync(SafeHandle input, SafeHandle output, CancellationToken cancellation = default)
    {
        if (_loop is not null) throw new InvalidOperationException("a filter runs once");
        FilterLoop loop = _loop = new(_handlers, (int)input.DangerousGetHandle(), (int)output.DangerousGetHandle(), Log);
        return Task.Factory.StartNew(
            () =>
            {
                using (loop)
                using (cancellation.Register(loop.Stop))
                {
                    int code = loop.Run();
                    GC.KeepAlive(input);
                    GC.KeepAlive(output);
                    return code;
                }
            },
            CancellationToken.None,
            TaskCreationOptions.LongRunning,
            TaskScheduler.Default);
    }

    private void On(Phase phase, Func<Session<TState>, string, Verdict> handler) => _handlers.On(phase, (session, text) => new(handler((Session<TState>)session, text)));

    private void On(Phase phase, Func<Session<TState>, string, Task<Verdict>> handler) => _handlers.On(phase, (session, text) => new(handler((Session<TState>)session, text)));

    private void On<TReport>(string name, Action<Session<TState>, TReport> handler) where TReport : Report => _handlers.On(name, (session, report) =>
    {
        handler((Session<TState>)session, (TReport)report);
        return default;
    });

    private void On<TReport>(string name, Func<Session<TState>, TReport, Task> handler) where TReport : Report =>
        _handlers.On(name, (session, report) => new(handler((Session<TState>)session, (TReport)report)));

    private void Once(object? present, string name)
    {
        if (present is not null) throw new InvalidOperationException($"{name} has a handler already");
        if (name != nameof(OnObserve) && _handlers.Observe is not null) CheckObserver(alone: false);
    }

    private void CheckObserver(bool alone = true)
    {
        if (_handlers.Observe is not null && (!alone || _handlers.TakesLines || _handlers.Message is not null))
            throw new InvalidOperationException("OnObserve only looks at messages; another handler changes them");
    }
}

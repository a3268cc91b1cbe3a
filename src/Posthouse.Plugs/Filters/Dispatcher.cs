using System.Collections.ObjectModel;
using System.Globalization;
using System.Text;

namespace Posthouse.Plugs.Filters;

/// <summary>
/// Understands the server's lines and answers them by the author's handlers. All of it runs on the loop's thread; only what an asynchronous handler does after its
/// first wait, and handlers of whole messages, run elsewhere. While one runs, its session's lines wait here and other sessions go on.
/// </summary>
internal sealed class Dispatcher(Handlers handlers, OutputBuffer output, Action<Session> resume, TextWriter log)
{
    private readonly Dictionary<ulong, Session> _sessions = [];
    private readonly Dictionary<string, string> _settings = [];
    private readonly Queue<MessageFlow> _pumping = new();
    private long _replayUntil;
    private bool _ready;

    public Handlers Handlers => handlers;

    public OutputBuffer Output => output;

    public IReadOnlyDictionary<string, string> Settings => new ReadOnlyDictionary<string, string>(_settings);

    public bool HasBulk { get; private set; }

    /// <summary>The digit behind the protocol's dot.</summary>
    public int MinorVersion { get; private set; } = 7;

    /// <summary>Sessions in which a handler runs or content is on its way.</summary>
    public int Busy { get; private set; }

    /// <summary>Bytes of lines that wait for such a session.</summary>
    public long WaitingBytes { get; private set; }

    /// <summary>Whether content waits for room in the output.</summary>
    public bool HasContent => _pumping.Count > 0;

    /// <summary>What lines become before they go out as one chunk.</summary>
    public System.Buffers.ArrayBufferWriter<byte> Scratch { get; } = new(65536);

    public LineOutput LineOutput { get; } = new();

    public void Log(string text)
    {
        try
        {
            log.WriteLine(text);
            log.Flush();
        }
        catch (IOException)
        {
            // Nobody reads the log; the mail goes on.
        }
    }

    public void Log(Session session, string what, Exception e) => Log($"{session.Id}: {what}: {e}");

    /// <summary>A line that is neither report nor request: part of the handshake, or nothing we know.</summary>
    public void Configure(ReadOnlySpan<byte> line)
    {
        string[] fields = Encoding.UTF8.GetString(line).Split('|', 3);
        if (fields[0] != "config" || fields.Length < 2)
        {
            Log("ignored a line that is not of the protocol: " + fields[0]);
            return;
        }

        string value = fields.Length > 2 ? fields[2] : "";
        switch (fields[1])
        {
            case "ready" when !_ready:
                _ready = true;
                foreach (string registration in handlers.Registrations(HasBulk))
                {
                    output.Append(registration);
                    output.Append((byte)'\n');
                }

                break;
            case "extension": HasBulk |= value == "bulk"; break;
            case "replay-until": _replayUntil = WireLine.Microseconds(Encoding.ASCII.GetBytes(value)); break;
            case "protocol": SetVersion(Encoding.ASCII.GetBytes(value)); break;
        }

        if (fields.Length > 2) _settings[fields[1]] = value;
    }

    public void Dispatch(ReadOnlySpan<byte> text, in WireLine line, ReadOnlySpan<byte> payload)
    {
        if (!_sessions.TryGetValue(line.Session, out Session? session))
        {
            session = handlers.CreateSession(line.Session);
            session.IsOutgoing = line.Subsystem.SequenceEqual("smtp-out"u8);
            _sessions.Add(line.Session, session);
        }

        if (session.IsBusy)
        {
            session.Waiting.Enqueue((text.ToArray(), payload.ToArray()));
            WaitingBytes += text.Length + payload.Length;
            return;
        }

        Handle(session, line, payload);
    }

    /// <summary>A handler of this session has come to its end.</summary>
    public void Resume(Session session)
    {
        Action? then = session.Continuation;
        session.Continuation = null;
        Release(session);
        then?.Invoke();
        Drain(session);
    }

    /// <summary>Holds the session until <paramref name="work"/> has ended; then <paramref name="then"/> runs on the loop.</summary>
    public void Await(Session session, Task work, Action then)
    {
        Hold(session);
        session.Continuation = then;
        work.ContinueWith(static (_, state) => ((Action)state!)(), () => resume(session), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    /// <summary>Holds the session until its content has gone out.</summary>
    public void Pump(MessageFlow flow)
    {
        Hold(flow.Session);
        _pumping.Enqueue(flow);
    }

    /// <summary>Moves one block of content to the output.</summary>
    public void PumpOnce()
    {
        MessageFlow flow = _pumping.Dequeue();
        if (!flow.PumpOnce())
        {
            _pumping.Enqueue(flow);
            return;
        }

        Release(flow.Session);
        Drain(flow.Session);
    }

    /// <summary>Frees what messages hold.</summary>
    public void Close()
    {
        foreach (Session session in _sessions.Values)
            if (!session.IsBusy) session.Flow?.Reset();
    }

    public void Answer(Session session, string token, Verdict verdict)
    {
        output.Append("filter-result|"u8);
        output.Append(MinorVersion < 5 ? token : session.Id);
        output.Append((byte)'|');
        output.Append(MinorVersion < 5 ? session.Id : token);
        output.Append((byte)'|');
        output.Append(verdict.Decision);
        if (verdict.Parameter is not null)
        {
            output.Append((byte)'|');
            output.Append(verdict.Parameter);
        }

        output.Append((byte)'\n');
    }

    private void Hold(Session session)
    {
        session.IsBusy = true;
        Busy++;
    }

    private void Release(Session session)
    {
        session.IsBusy = false;
        Busy--;
    }

    private void Drain(Session session)
    {
        while (!session.IsBusy && session.Waiting.TryDequeue(out (byte[] Line, byte[] Payload) waiting))
        {
            WaitingBytes -= waiting.Line.Length + waiting.Payload.Length;
            if (WireLine.TryParse(waiting.Line, out WireLine line)) Handle(session, line, waiting.Payload);
        }
    }

    private void Handle(Session session, in WireLine line, ReadOnlySpan<byte> payload)
    {
        SetVersion(line.Version);
        if (!line.IsFilter)
        {
            Tell(session, line);
            return;
        }

        if (line.Name.SequenceEqual("data-line"u8)) (session.Flow ??= new(this, session)).TakeLine(line.Token, line.Parameters);
        else if (line.Name.SequenceEqual("data-bulk"u8)) (session.Flow ??= new(this, session)).TakeChunk(line.Token, payload);
        else Ask(session, line);
    }

    private void Ask(Session session, in WireLine line)
    {
        Phase phase = (Phase)(-1);
        for (int i = 0; i < Handlers.PhaseNames.Length; i++)
            if (Ascii.Equals(line.Name, Handlers.PhaseNames[i])) phase = (Phase)i;
        string token = Encoding.UTF8.GetString(line.Token);
        Func<Session, string, ValueTask<Verdict>>? handler = (int)phase < 0 ? null : handlers.Phases[(int)phase];
        if (phase == Phase.Commit && handlers.TakesData)
        {
            // A message that this process has not seen was taken by one that died, and what that one knew is gone.
            Verdict verdict = session.Flow?.TakeVerdict() ?? Verdict.TryLater;
            if (!verdict.IsProceed) handler = null;
            if (handler is null) Answer(session, token, verdict);
        }
        else if (handler is null)
        {
            Answer(session, token, Verdict.Proceed);
        }

        if (handler is null) return;
        ValueTask<Verdict> answer;
        try
        {
            answer = handler(session, line.Text());
        }
        catch (Exception e)
        {
            answer = ValueTask.FromException<Verdict>(e);
        }

        if (answer.IsCompleted) AnswerBy(session, phase, token, answer);
        else AwaitAnswer(session, phase, token, answer.AsTask());
    }

    private void AwaitAnswer(Session session, Phase phase, string token, Task<Verdict> task) =>
        Await(session, task, () => AnswerBy(session, phase, token, new(task)));

    private void AnswerBy(Session session, Phase phase, string token, ValueTask<Verdict> answer)
    {
        Verdict verdict;
        try
        {
            // It has come: nothing waits here.
            verdict = answer.GetAwaiter().GetResult();
            if (phase is Phase.MailFrom or Phase.RcptTo) verdict = verdict.WithPath();
            if (phase == Phase.Commit && verdict == Verdict.Junk) throw new InvalidOperationException("at commit it is too late for junk");
        }
        catch (Exception e)
        {
            Log(session, "handler of " + Handlers.PhaseNames[(int)phase], e);
            verdict = Verdict.TryLater;
        }

        Answer(session, token, verdict);
    }

    private void Tell(Session session, in WireLine line)
    {
        bool ends = line.Name.SequenceEqual("link-disconnect"u8);
        if (line.Name.SequenceEqual("tx-reset"u8) || ends) session.Flow?.Reset();
        Handlers.EventHandlers? known = null;
        foreach (Handlers.EventHandlers entry in handlers.Events)
        {
            if (!line.Name.SequenceEqual(entry.Bytes)) continue;
            known = entry;
            break;
        }

        bool begins = line.Name.SequenceEqual("link-connect"u8);
        if (known is null && handlers.AllEvents is null && !begins)
        {
            if (ends) _sessions.Remove(session.Key);
            return;
        }

        long time = WireLine.Microseconds(line.Time);
        string name = known?.Name ?? Encoding.ASCII.GetString(line.Name);
        session.IsReplayed = _replayUntil > 0 && time <= _replayUntil;
        Report report = name switch
        {
            "link-connect" => new ConnectReport(name, time, session.IsReplayed, line.Text()),
            _ when name.StartsWith("tx-", StringComparison.Ordinal) => new TransactionReport(name, time, session.IsReplayed, line.Text(), MinorVersion),
            _ when name.StartsWith("link-", StringComparison.Ordinal) => new LinkReport(name, time, session.IsReplayed, line.Text(), MinorVersion),
            _ => new Report(name, time, session.IsReplayed, line.Text()),
        };
        if (report is ConnectReport connect) session.Apply(connect);
        ValueTask told = TellAsync(session, report, known);
        if (told.IsCompleted) EndReport(session, ends);
        else AwaitReport(session, told.AsTask(), ends);
    }

    private void AwaitReport(Session session, Task told, bool ends) => Await(session, told, () => EndReport(session, ends));

    private void EndReport(Session session, bool ends)
    {
        session.IsReplayed = false;
        if (ends) _sessions.Remove(session.Key);
    }

    // Never fails: an event has no answer that could say so.
    private async ValueTask TellAsync(Session session, Report report, Handlers.EventHandlers? known)
    {
        if (handlers.AllEvents is { } all) await TellAsync(session, report, all.Calls);
        if (known is not null) await TellAsync(session, report, known.Calls);
    }

    private async ValueTask TellAsync(Session session, Report report, List<Func<Session, Report, ValueTask>> calls)
    {
        foreach (Func<Session, Report, ValueTask> call in calls)
        {
            try
            {
                await call(session, report);
            }
            catch (Exception e)
            {
                Log(session, "handler of " + report.Event, e);
            }
        }
    }

    private void SetVersion(ReadOnlySpan<byte> version)
    {
        // By far the most lines say what the one before said.
        if (version.Length == 3 && version[0] == '0' && version[2] == '0' + MinorVersion) return;
        int dot = version.IndexOf((byte)'.');
        MinorVersion = dot >= 0 && int.TryParse(version[(dot + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out int minor) ? minor : 0;
    }
}

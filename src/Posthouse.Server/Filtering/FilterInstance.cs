using Microsoft.Extensions.Logging;
using Posthouse.Server.Configuration;
using Posthouse.Server.Model;
using Posthouse.Wire;

namespace Posthouse.Server.Filtering;

/// <summary>
/// One process of a filter, for as long as its configuration stands: it is started again whenever it ends, and the sessions notice a pause at the most.
/// <para>
/// What the process was asked and has not answered is outstanding; it is asked again of the next life. When it died with several requests
/// outstanding, none is known to be guilty: they are then asked one at a time, while new ones wait. A death with exactly one
/// outstanding counts against that one, and the second such death gives it the answer of <c>on-failure</c>. A message whose client has not sent all of it yet is not
/// asked again before it is whole, so that no client can keep the others waiting.
/// </para>
/// <para>
/// One lock guards all this and is held for computation only. What is to happen to other filters or to the client is done after it (<see cref="Flush"/>),
/// because chains of different listeners may run through the same filters in different orders.
/// </para>
/// </summary>
internal sealed partial class FilterInstance
{
    /// <summary>Deaths with nothing else to be blamed after which a request is given up.</summary>
    private const int DeathsOfTheGuilty = 2;

    private const int RoomForSessions = 1 << 20;
    private const int RoomForAll = 16 << 20;
    private const int MaxLate = 4 << 20;

    private static ulong s_token = (ulong)Random.Shared.NextInt64() << 1;

    private readonly FilterHost _host;
    private readonly int _index;
    private readonly Lock _lock = new();
    private readonly Dictionary<ulong, FilterRequest> _pending = [];
    private readonly List<FilterRequest> _suspects = [];
    private readonly List<FilterRequest> _waiting = [];
    private readonly Dictionary<ulong, FilterLink> _links = [];
    private readonly List<byte[]> _late = [];
    private readonly List<TaskCompletionSource> _wantRoom = [];
    private readonly LatencyHistogram _latency = new();
    private List<(MessageRequest Message, SmtpReply? Refusal, string Why)> _takenOver = [];
    private volatile FilterRegistration? _registration;
    private FilterConversation? _conversation;
    private FilterRequest? _alone;
    private State _state;
    private int _life;
    private int _lateBytes;
    private long _requests;
    private long _ignored;
    private long _dropped;
    private long _failures;
    private long _answeredAt;
    private DateTimeOffset _lastLifeEnded;
    private bool _stopped;

    private enum State
    {
        Down,
        Handshake,
        Ready,
    }

    internal FilterInstance(FilterHost host, int index)
    {
        _host = host;
        _index = index;
        _watch = Time.CreateTimer(static state => ((FilterInstance)state!).WatchSafely(), this, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <summary>What the filter asked for when it was last ready; null before the first time.</summary>
    internal FilterRegistration? Registration => _registration;

    /// <summary>Whether sessions may go on talking.</summary>
    internal bool HasRoom => Volatile.Read(ref _conversation) is not { } conversation || conversation.Waiting < RoomForSessions;

    private TimeProvider Time => _host.Environment.Time;

    private ILogger Logger => _host.Environment.Logger;

    private string Name => _host.Process.Command.Instances > 1 ? $"{_host.Process.Name}[{_index}]" : _host.Process.Name;

    private PlugCommand Command => _host.Process.Command;

    internal void AddSession(FilterLink link)
    {
        lock (_lock) _links[link.Session.Number] = link;
    }

    /// <summary>How it is.</summary>
    internal FilterStatus Report()
    {
        lock (_lock)
        {
            return new()
            {
                Name = _host.Process.Name,
                Instance = _index,
                ProcessId = _state == State.Down ? 0 : _process?.Id ?? 0,
                State = _state switch { State.Ready => _alone is null ? "ready" : "careful", State.Handshake => "starting", _ => "down" },
                Restarts = Math.Max(0, _life - 1),
                Requests = _requests,
                Outstanding = _pending.Count + _waiting.Count + _suspects.Count,
                Ignored = _ignored,
                Dropped = _dropped,
                Failures = _failures,
                Median = _latency.Quantile(0.5),
                NinetyPercent = _latency.Quantile(0.9),
                NinetyNinePercent = _latency.Quantile(0.99),
            };
        }
    }

    /// <summary>Tells an event, if the filter wants it.</summary>
    /// <param name="link">The session's link.</param>
    /// <param name="what">The event.</param>
    /// <param name="line">Its line.</param>
    /// <param name="isKept">Whether the session's history has it already.</param>
    internal void Tell(FilterLink link, FilterEvent what, byte[] line, bool isKept)
    {
        if (_registration?.Wants(what) != true) return;
        lock (_lock)
        {
            // What is kept in the history is told when the filter is there again. What another filter says may come when the session is over here.
            if (_state != State.Ready || link.IsOver) return;
            bool isNew = link.KnownTo != _life;
            Introduce(link);
            if (!isNew || !isKept) Add(line);
        }
    }

    /// <summary>Tells that a transaction is over, now or when the filter is there again.</summary>
    internal void EndTransaction(FilterLink link, FilterEvent what, byte[] end, byte[] reset)
    {
        if (_registration is not { } known) return;
        lock (_lock)
        {
            link.Message = null;
            if (_state == State.Ready)
            {
                if (!known.Wants(what) && !known.Wants(FilterEvent.TxReset)) return;
                Introduce(link);
                if (known.Wants(what)) Add(end);
                if (known.Wants(FilterEvent.TxReset)) Add(reset);
                return;
            }
            bool fits = true;
            link.Session.History.Visit(transaction: true, (each, line) => fits &= !known.Wants(each) || link.Miss(each, line));
            fits &= !known.Wants(what) || link.Miss(what, end);
            fits &= !known.Wants(FilterEvent.TxReset) || link.Miss(FilterEvent.TxReset, reset);
            if (!fits) _dropped++;
        }
    }

    /// <summary>Tells that a session is over, now or when the filter is there again.</summary>
    internal void EndSession(FilterLink link)
    {
        lock (_lock)
        {
            _links.Remove(link.Session.Number);
            link.IsOver = true;
            if (_registration?.Wants(FilterEvent.LinkDisconnect) != true) return;
            byte[] line = FilterLines.Report(Time.GetUtcNow(), FilterEvent.LinkDisconnect, link.Session.Id, null, System.Text.Encoding.ASCII);
            if (_state == State.Ready)
            {
                Introduce(link);
                Add(line);
                return;
            }
            link.Replay((what, missed) => Later(what, missed), withTransaction: false);
            Later(FilterEvent.LinkDisconnect, line);
        }
    }

    /// <summary>Asks about a command; proceeds at once when the filter does not care.</summary>
    internal ValueTask<FilterAnswer> AskAsync(FilterLink link, FilterPhase phase, string parameter)
    {
        // Before it has been ready for the first time nobody knows what it cares about: sessions then wait at connect and at MAIL.
        if (_registration is { } known ? !known.Has(phase) : phase is not (FilterPhase.Connect or FilterPhase.MailFrom)) return default;
        ValueTask<FilterAnswer> answer;
        lock (_lock)
        {
            PhaseRequest request = link.Request;
            answer = request.Begin(phase, parameter);
            request.Due = In(Limit(phase));
            _requests++;
            if (_stopped) request.Answer(OnFailure(phase));
            else if (_state == State.Ready && _alone is null) Put(request);
            else _waiting.Add(request);
            Arm();
        }
        Flush();
        return answer;
    }

    /// <summary>Sends what is collected, and does what could not be done under the lock. Never blocks, and must not be called under any lock.</summary>
    internal void Flush()
    {
        FilterConversation? conversation;
        List<(MessageRequest Message, SmtpReply? Refusal, string Why)>? taken = null;
        lock (_lock)
        {
            conversation = _conversation;
            if (_takenOver.Count > 0) (taken, _takenOver) = (_takenOver, []);
        }
        conversation?.Flush();
        if (taken is null) return;
        foreach ((MessageRequest message, SmtpReply? refusal, string why) in taken) message.TakeOver(refusal, why);
        // Others may be asked now.
        Flush();
    }

    /// <summary>Completes when the process has taken enough of what it was told, or is another.</summary>
    internal async ValueTask WaitForRoomAsync()
    {
        while (!HasRoom)
        {
            TaskCompletionSource room = new(TaskCreationOptions.RunContinuationsAsynchronously);
            lock (_lock)
            {
                if (HasRoom) return;
                _wantRoom.Add(room);
                Arm();
            }
            await room.Task;
        }
    }

    private long In(TimeSpan time) => Time.GetTimestamp() + (long)(time.TotalSeconds * Time.TimestampFrequency);

    private TimeSpan Limit(FilterPhase phase) => Command.Timeout ?? (phase is FilterPhase.DataLine or FilterPhase.Commit ? TimeSpan.FromMinutes(5) : TimeSpan.FromSeconds(30));

    // All of what follows is under the lock.

    private void Add(byte[] line) => _conversation!.Add(line);

    private void Later(FilterEvent what, byte[] line)
    {
        if (_registration?.Wants(what) != true) return;
        if (_lateBytes + line.Length > MaxLate)
        {
            _dropped++;
            return;
        }
        _late.Add(line);
        _lateBytes += line.Length;
    }

    private void Introduce(FilterLink link)
    {
        if (link.KnownTo == _life) return;
        link.KnownTo = _life;
        link.Replay((what, line) =>
        {
            if (_registration!.Wants(what)) Add(line);
        });
    }

    // Asks, of a process that is ready.
    private void Put(FilterRequest request)
    {
        if (request is MessageRequest message)
        {
            StartMessage(message);
            return;
        }
        PhaseRequest question = (PhaseRequest)request;
        if (!_registration!.Has(question.Phase))
        {
            question.Answer(FilterAnswer.Proceed);
            return;
        }
        FilterLink link = question.Link;
        // What it decides at commit it decides by the message, which another life of it has seen, or which it is still being told.
        if (question.Phase == FilterPhase.Commit && link.Message is { Failed: false } seen && (seen.Life != _life || !seen.EndWritten))
        {
            seen.Then = question;
            if (seen.Life != _life) StartMessage(seen);
            else _pending[seen.Token] = seen;
            return;
        }
        Introduce(link);
        question.Token = Interlocked.Increment(ref s_token);
        question.AskedAt = Time.GetTimestamp();
        question.Due = In(Limit(question.Phase));
        _pending[question.Token] = question;
        int most = FilterLines.Overhead + (3 * question.Parameter.Length);
        _conversation!.Advance(FilterLines.Question(_conversation.Room(most), Time.GetUtcNow(), question.Phase, link.Session.Id, question.Token, question.Parameter));
    }

    // Asks what may be asked: suspects alone, one after another, and only then everything else.
    private void Advance()
    {
        if (_state != State.Ready) return;
        while (_alone is null && _suspects.FindIndex(static request => request.IsWhole) is >= 0 and var index)
        {
            _alone = _suspects[index];
            _suspects.RemoveAt(index);
            Put(_alone);
            if (_alone is PhaseRequest { IsOpen: false }) _alone = null;
        }
        if (_alone is not null) return;
        foreach (FilterRequest request in _waiting) Put(request);
        _waiting.Clear();
    }

    private void Settle(FilterRequest request)
    {
        _pending.Remove(request.Token);
        request.Token = 0;
        if (_alone != request) return;
        _alone = null;
        Advance();
    }

    // The process can be asked nothing any more; what it had not answered waits for the next.
    private void EndLife()
    {
        if (_state == State.Down) return;
        _state = State.Down;
        _lastLifeEnded = Time.GetUtcNow();
        _conversation!.Close();
        Volatile.Write(ref _conversation, null);
        List<FilterRequest> outstanding = [.. _pending.Values.OrderBy(static request => request.AskedAt).Select(static request => request is MessageRequest { Then: { } then } ? then : request).Distinct()];
        foreach (FilterRequest request in _pending.Values)
        {
            request.Token = 0;
            if (request is MessageRequest message) message.Then = null;
        }
        _pending.Clear();
        _blocked.Clear();
        _alone = null;
        _hot = null;
        foreach (FilterRequest request in outstanding)
        {
            request.Due = In(Limit(request is PhaseRequest { Phase: var phase } ? phase : FilterPhase.DataLine));
        }
        foreach (FilterLink link in _links.Values) link.Message?.Whole.Wake();
        foreach (FilterRequest request in outstanding)
            (request as MessageRequest)?.Whole.Wake();
        if (outstanding is [var only] && ++only.Deaths >= DeathsOfTheGuilty)
        {
            FilteringLog.Convicted(Logger, only.Link.Session.Id, Name, Describe(only), PolicyName);
            GiveUp(only, $"died {DeathsOfTheGuilty} times on this message alone");
        }
        else _suspects.InsertRange(0, outstanding);
        foreach (TaskCompletionSource room in _wantRoom) room.TrySetResult();
        _wantRoom.Clear();
    }

    // The answer of on-failure.
    private void GiveUp(FilterRequest request, string why)
    {
        _failures++;
        if (request is PhaseRequest question)
        {
            question.Answer(OnFailure(question.Phase));
            return;
        }
        MessageRequest message = (MessageRequest)request;
        _takenOver.Add((message, Command.OnFailure switch
        {
            PlugFailurePolicy.Bypass => null,
            PlugFailurePolicy.Reject => FilterReplies.Permanent,
            _ => FilterReplies.Temporary,
        }, why));
    }

    private FilterAnswer OnFailure(FilterPhase phase)
    {
        if (phase is FilterPhase.Quit or FilterPhase.Rset or FilterPhase.Noop) return FilterAnswer.Proceed;
        return Command.OnFailure switch
        {
            PlugFailurePolicy.Bypass => FilterAnswer.Proceed,
            PlugFailurePolicy.Reject => new(FilterAnswerKind.Reject, phase == FilterPhase.Connect ? FilterReplies.ConnectRefused : FilterReplies.Refused),
            _ when phase == FilterPhase.Connect => new(FilterAnswerKind.Disconnect, FilterReplies.ConnectLater),
            _ => new(FilterAnswerKind.Reject, FilterReplies.Later),
        };
    }

    private string PolicyName => Command.OnFailure.ToString().ToLowerInvariant();

    private static string Describe(FilterRequest request)
    {
        string what = request is PhaseRequest { Phase: var phase } ? FilterWords.Of(phase) : FilterWords.Of(FilterPhase.DataLine);
        return request.Link.Session.Message.IsNone ? what : $"{what} of message {request.Link.Session.Message}";
    }
}

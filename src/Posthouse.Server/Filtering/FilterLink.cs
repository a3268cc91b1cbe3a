using Posthouse.Server.Configuration;

namespace Posthouse.Server.Filtering;

/// <summary>
/// One session's connection with one instance of a filter: which life of the process knows the session, and what it missed. Guarded by the instance's lock.
/// </summary>
internal sealed class FilterLink
{
    private const int MaxMissed = 64 * 1024;

    private List<(FilterEvent What, byte[] Line)>? _missed;
    private int _missedBytes;

    internal FilterLink(FilterInstance instance, SessionFilters session)
    {
        Instance = instance;
        Session = session;
        Request = new(this);
    }

    internal FilterInstance Instance { get; }

    internal SessionFilters Session { get; }

    internal PhaseRequest Request { get; }

    /// <summary>Whether its session is over: nothing is told any more.</summary>
    internal bool IsOver { get; set; }

    /// <summary>The life of the process that was told of this session; zero for none.</summary>
    internal int KnownTo { get; set; }

    /// <summary>The message of the transaction, once the filter has had all of it.</summary>
    internal MessageRequest? Message { get; set; }

    internal bool Wants(FilterEvent what) => Instance.Registration?.Wants(what) == true;

    /// <summary>Whether the filter wants an event, as far as it has said yet.</summary>
    internal bool MayWant(FilterEvent what) => Instance.Registration is not { } known || known.Wants(what);

    internal bool HasPhase(FilterPhase phase) => Instance.Registration?.Has(phase) == true;

    internal bool HasRoom => Instance.HasRoom;

    internal void Tell(FilterEvent what, byte[] line, bool isKept = false) => Instance.Tell(this, what, line, isKept);

    internal void EndTransaction(FilterEvent what, byte[] end, byte[] reset) => Instance.EndTransaction(this, what, end, reset);

    internal void End() => Instance.EndSession(this);

    internal ValueTask<FilterAnswer> AskAsync(FilterPhase phase, string parameter) => Instance.AskAsync(this, phase, parameter);

    internal void Flush() => Instance.Flush();

    internal ValueTask WaitForRoomAsync() => Instance.WaitForRoomAsync();

    /// <summary>Remembers a line for the next life of the filter; false when there is no room for it.</summary>
    internal bool Miss(FilterEvent what, byte[] line)
    {
        if (_missedBytes + line.Length > MaxMissed) return false;
        (_missed ??= []).Add((what, line));
        _missedBytes += line.Length;
        return true;
    }

    /// <summary>Gives all from which the session can be known: how its link stands, what was missed, and how its transaction stands.</summary>
    internal void Replay(Action<FilterEvent, byte[]> visit, bool withTransaction = true)
    {
        Session.History.Visit(transaction: false, visit);
        foreach ((FilterEvent what, byte[] line) in _missed ?? []) visit(what, line);
        _missed = null;
        _missedBytes = 0;
        if (withTransaction) Session.History.Visit(transaction: true, visit);
    }
}

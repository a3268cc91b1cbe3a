using System.Text;

namespace Posthouse.Plugs.Filters;

/// <summary>What an author has asked for, and the lines that register it.</summary>
internal sealed class Handlers(Func<ulong, Session> createSession)
{
    public static readonly string[] PhaseNames =
        ["connect", "helo", "ehlo", "starttls", "auth", "mail-from", "rcpt-to", "data", "commit", "rset", "noop", "quit"];

    public delegate HeaderEdit HeaderCall(Session session, HeaderField field);

    public delegate void LineCall(Session session, ReadOnlySpan<byte> line, LineOutput output);

    public Func<Session, string, ValueTask<Verdict>>?[] Phases { get; } = new Func<Session, string, ValueTask<Verdict>>?[PhaseNames.Length];

    public List<EventHandlers> Events { get; } = [];

    /// <summary>Handlers of every event, known or not.</summary>
    public EventHandlers? AllEvents { get; private set; }

    public List<(byte[] Name, HeaderCall Call)> Headers { get; } = [];

    public Action<Session, LineOutput>? HeaderBegin { get; set; }

    public Action<Session, LineOutput>? HeaderEnd { get; set; }

    public LineCall? Line { get; set; }

    public Action<Session, LineOutput>? MessageEnd { get; set; }

    public Func<Session, Message, Task<MessageResult>>? Message { get; set; }

    public Func<Session, Message, Task<Verdict>>? Observe { get; set; }

    public bool IncludesOutgoing { get; set; }

    public bool EditsHeader => Headers.Count > 0 || HeaderBegin is not null || HeaderEnd is not null;

    /// <summary>Whether lines are looked at one by one.</summary>
    public bool TakesLines => Line is not null || MessageEnd is not null || EditsHeader;

    public bool TakesData => TakesLines || Message is not null || Observe is not null;

    public Session CreateSession(ulong key) => createSession(key);

    public void On(Phase phase, Func<Session, string, ValueTask<Verdict>> handler) =>
        Phases[(int)phase] = Phases[(int)phase] is null ? handler : throw new InvalidOperationException($"{PhaseNames[(int)phase]} has a handler already");

    public void On(string name, Func<Session, Report, ValueTask> handler)
    {
        EventHandlers? entry = name == "*" ? AllEvents : Events.Find(e => e.Name == name);
        if (entry is null)
        {
            entry = new(name);
            if (name == "*") AllEvents = entry;
            else Events.Add(entry);
        }

        entry.Calls.Add(handler);
    }

    public IEnumerable<string> Registrations(bool offersBulk)
    {
        string[] needed = TakesData ? ["link-connect", "link-disconnect", "tx-reset"] : ["link-connect", "link-disconnect"];
        foreach (string subsystem in IncludesOutgoing ? (string[])["smtp-in", "smtp-out"] : ["smtp-in"])
            foreach (string name in AllEvents is null ? needed.Union(Events.Select(static e => e.Name)) : ["*"])
                yield return $"register|report|{subsystem}|{name}";

        for (int phase = 0; phase < Phases.Length; phase++)
            if (Phases[phase] is not null || ((Phase)phase == Phase.Commit && TakesData)) yield return $"register|filter|smtp-in|{PhaseNames[phase]}";
        if (TakesData) yield return "register|filter|smtp-in|data-line";
        if (TakesData && offersBulk) yield return Observe is null ? "register|extension|bulk" : "register|extension|bulk-observe";
        yield return "register|ready";
    }

    public sealed class EventHandlers(string name)
    {
        public string Name => name;

        public byte[] Bytes { get; } = Encoding.ASCII.GetBytes(name);

        public List<Func<Session, Report, ValueTask>> Calls { get; } = [];
    }
}

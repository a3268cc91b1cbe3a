using System.Net;

namespace Posthouse.Plugs.Filters;

/// <summary>One SMTP session. Its handlers run one after another, so what belongs to it needs no lock.</summary>
public abstract class Session
{
    internal Session(ulong key)
    {
        Key = key;
        Id = key.ToString("x16");
    }

    /// <summary>16 hex digits that name the session in the server's log.</summary>
    public string Id { get; }

    /// <summary>The client's end, as in link-connect; empty until that has come.</summary>
    public string Source { get; private set; } = "";

    /// <summary>The server's end, as in link-connect; empty until that has come.</summary>
    public string Destination { get; private set; } = "";

    /// <summary>The client's address; null when it came over a local socket.</summary>
    public IPAddress? Address => IPEndPoint.TryParse(Source, out IPEndPoint? end) ? end.Address : null;

    /// <summary>The client's name by reverse DNS; null when it has none.</summary>
    public string? ReverseName { get; private set; }

    /// <summary>Whether that name leads back to the client's address.</summary>
    public bool IsConfirmed { get; private set; }

    /// <summary>Whether the server is the client of this session (subsystem smtp-out).</summary>
    public bool IsOutgoing { get; internal set; }

    /// <summary>Whether the event being handled is told again to a filter that was restarted.</summary>
    public bool IsReplayed { get; internal set; }

    /// <summary>While a line is handled: whether it belongs to the message's header, the empty line after it included.</summary>
    public bool InHeader { get; internal set; }

    internal ulong Key { get; }

    /// <summary>Lines (and payloads) that wait while a handler of this session runs.</summary>
    internal Queue<(byte[] Line, byte[] Payload)> Waiting { get; } = new();

    /// <summary>Ends what a handler left running; null when none runs.</summary>
    internal Action? Continuation { get; set; }

    internal bool IsBusy { get; set; }

    internal MessageFlow? Flow { get; set; }

    internal void Apply(ConnectReport report) =>
        (Source, Destination, ReverseName, IsConfirmed) = (report.Source, report.Destination, report.ReverseName, report.IsConfirmed);
}

/// <summary>A session with a state of the filter's own, made when the session begins and dropped when it ends.</summary>
public sealed class Session<TState> : Session where TState : class, new()
{
    internal Session(ulong key) : base(key)
    {
    }

    /// <summary>What the filter keeps for this session. After a restart of the filter it is new: only report events are told again.</summary>
    public TState State { get; set; } = new();
}

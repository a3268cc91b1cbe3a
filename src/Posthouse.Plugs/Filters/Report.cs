namespace Posthouse.Plugs.Filters;

/// <summary>Something that happened in a session (smtpd-filters(7), "report"); nothing is answered.</summary>
public class Report
{
    internal Report(string name, long microseconds, bool isReplayed, string text) =>
        (Event, Microseconds, IsReplayed, Text) = (name, microseconds, isReplayed, text);

    /// <summary>The event's name on the wire, such as <c>link-connect</c> or <c>tx-commit</c>.</summary>
    public string Event { get; }

    /// <summary>When it happened; of a replayed event, when it happened first.</summary>
    public DateTimeOffset Time => DateTimeOffset.UnixEpoch.AddMicroseconds(Microseconds);

    /// <summary>Whether it is told again to a filter that was restarted.</summary>
    public bool IsReplayed { get; }

    /// <summary>Everything behind the session's id as it stands on the wire; empty where the event has no parameters.</summary>
    public string Text { get; }

    internal long Microseconds { get; }

    /// <summary>The parameters; the last of <paramref name="count"/> takes what is left, bars included.</summary>
    public string[] Fields(int count) => Text.Split('|', count);
}

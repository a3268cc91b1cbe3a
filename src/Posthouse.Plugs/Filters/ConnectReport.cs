namespace Posthouse.Plugs.Filters;

/// <summary>A session has begun (link-connect).</summary>
public sealed class ConnectReport : Report
{
    internal ConnectReport(string name, long microseconds, bool isReplayed, string text) : base(name, microseconds, isReplayed, text)
    {
        string[] fields = Fields(4);
        ReverseName = Connect.NameOrNull(fields[0]);
        IsConfirmed = fields.Length > 1 && fields[1] == "pass";
        Source = fields.Length > 2 ? fields[2] : "";
        Destination = fields.Length > 3 ? fields[3] : "";
    }

    /// <summary>The client's name by reverse DNS; null when it has none.</summary>
    public string? ReverseName { get; }

    /// <summary>Whether that name leads back to the client's address.</summary>
    public bool IsConfirmed { get; }

    /// <summary>The client's end: <c>192.0.2.1:12345</c>, <c>[2001:db8::1]:12345</c> or <c>unix:/path</c>.</summary>
    public string Source { get; }

    /// <summary>The server's end, in the same form.</summary>
    public string Destination { get; }
}

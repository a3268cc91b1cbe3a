namespace Posthouse.Plugs.Filters;

/// <summary>A session was greeted, has named itself, was encrypted or authenticated (link-greeting, -identify, -tls, -auth).</summary>
public sealed class LinkReport : Report
{
    internal LinkReport(string name, long microseconds, bool isReplayed, string text, int minorVersion) : base(name, microseconds, isReplayed, text)
    {
        Value = text;
        if (name is not ("link-identify" or "link-auth") || !text.Contains('|')) return;
        int bar = name == "link-auth" && minorVersion < 7 ? text.LastIndexOf('|') : text.IndexOf('|');
        (Kind, Value) = (text[..bar], text[(bar + 1)..]);
        if (name == "link-auth" && minorVersion < 7) (Kind, Value) = (Value, Kind);
    }

    /// <summary>HELO, EHLO or LHLO when the client named itself; pass, fail or error when it authenticated; else empty.</summary>
    public string Kind { get; } = "";

    /// <summary>The server's name, the client's name, the TLS parameters (<c>version:cipher:bits</c>) or the user's name.</summary>
    public string Value { get; }
}

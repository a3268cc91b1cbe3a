using System.Globalization;

namespace Posthouse.Plugs.Filters;

/// <summary>A step of a mail transaction (tx-begin, -mail, -rcpt, -envelope, -data, -commit, -rollback, -reset).</summary>
public sealed class TransactionReport : Report
{
    internal TransactionReport(string name, long microseconds, bool isReplayed, string text, int minorVersion) : base(name, microseconds, isReplayed, text)
    {
        string[] fields = Fields(2);
        if (Posthouse.Plugs.MessageId.TryParse(fields[0], out MessageId message)) MessageId = message;
        string rest = fields.Length > 1 ? fields[1] : "";
        switch (name)
        {
            case "tx-mail" or "tx-rcpt":
                // Up to 0.5 the result stood last.
                int bar = minorVersion < 6 ? rest.LastIndexOf('|') : rest.IndexOf('|');
                if (bar < 0) break;
                (Result, Address) = minorVersion < 6 ? (rest[(bar + 1)..], rest[..bar]) : (rest[..bar], rest[(bar + 1)..]);
                break;
            case "tx-data": Result = rest; break;
            case "tx-envelope": EnvelopeId = Posthouse.Plugs.EnvelopeId.TryParse(rest, out EnvelopeId envelope) ? envelope : default; break;
            case "tx-commit": Size = long.TryParse(rest, NumberStyles.None, CultureInfo.InvariantCulture, out long size) ? size : 0; break;
        }
    }

    /// <summary>The message; none where an old server resets no transaction.</summary>
    public MessageId MessageId { get; }

    /// <summary>Of tx-mail, tx-rcpt and tx-data: <c>ok</c>, <c>permfail</c> or <c>tempfail</c>; else empty.</summary>
    public string Result { get; } = "";

    /// <summary>Whether the step was accepted.</summary>
    public bool IsAccepted => Result is "" or "ok";

    /// <summary>Of tx-mail and tx-rcpt: the address as the client gave it, without brackets; empty for the null sender.</summary>
    public string Address { get; } = "";

    /// <summary>Of tx-envelope: the envelope.</summary>
    public EnvelopeId EnvelopeId { get; }

    /// <summary>Of tx-commit: the message's size in bytes.</summary>
    public long Size { get; }
}

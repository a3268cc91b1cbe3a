using System.Globalization;

namespace Posthouse.Wire;

/// <summary>What a server said it can do in its reply to EHLO or LHLO (RFC 5321 section 4.1.1.1).</summary>
public sealed record EhloCapabilities
{
    /// <summary>PIPELINING (RFC 2920).</summary>
    public bool Pipelining { get; private init; }

    /// <summary>8BITMIME (RFC 6152).</summary>
    public bool EightBitMime { get; private init; }

    /// <summary>SMTPUTF8 (RFC 6531).</summary>
    public bool SmtpUtf8 { get; private init; }

    /// <summary>CHUNKING (RFC 3030).</summary>
    public bool Chunking { get; private init; }

    /// <summary>DSN (RFC 3461).</summary>
    public bool Dsn { get; private init; }

    /// <summary>ENHANCEDSTATUSCODES (RFC 2034).</summary>
    public bool EnhancedStatusCodes { get; private init; }

    /// <summary>STARTTLS (RFC 3207).</summary>
    public bool StartTls { get; private init; }

    /// <summary>REQUIRETLS (RFC 8689).</summary>
    public bool RequireTls { get; private init; }

    /// <summary>Whether SIZE was said at all (RFC 1870).</summary>
    public bool Size { get; private init; }

    /// <summary>The largest message taken, in bytes; 0 when not said or without a limit.</summary>
    public long MaxSize { get; private init; }

    /// <summary>The mechanisms of AUTH in upper case (RFC 4954); empty when there is none.</summary>
    public IReadOnlyList<string> AuthMechanisms { get; private init; } = [];

    /// <summary>Reads the lines behind the first of a positive reply. Unknown ones are skipped.</summary>
    public static EhloCapabilities Read(SmtpReply reply)
    {
        EhloCapabilities found = new();
        foreach (string line in reply.Text.Split('\n').Skip(1))
        {
            string[] words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (words.Length == 0)
                continue;
            found = words[0].ToUpperInvariant() switch
            {
                "PIPELINING" => found with { Pipelining = true },
                "8BITMIME" => found with { EightBitMime = true },
                "SMTPUTF8" => found with { SmtpUtf8 = true },
                "CHUNKING" => found with { Chunking = true },
                "DSN" => found with { Dsn = true },
                "ENHANCEDSTATUSCODES" => found with { EnhancedStatusCodes = true },
                "STARTTLS" => found with { StartTls = true },
                "REQUIRETLS" => found with { RequireTls = true },
                "SIZE" => found with
                {
                    Size = true,
                    MaxSize = words.Length > 1 && long.TryParse(words[1], NumberStyles.None, CultureInfo.InvariantCulture, out long size) ? size : 0,
                },
                "AUTH" => found with { AuthMechanisms = [.. words.Skip(1).Select(word => word.ToUpperInvariant())] },
                _ => found,
            };
        }
        return found;
    }
}

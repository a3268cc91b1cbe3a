namespace Posthouse.Server.Configuration;

/// <summary>What holds for every SMTP session.</summary>
public sealed record SmtpConfiguration
{
    /// <summary>TLS ciphers in OpenSSL's form, for listeners and relays that have none of their own.</summary>
    public string Ciphers { get; init; } = "HIGH:!aNULL:!MD5";

    /// <summary>The largest message accepted, in bytes.</summary>
    public long MaxMessageSize { get; init; } = 35L * 1024 * 1024;

    /// <summary>What separates the user from the sub-address: one printable character.</summary>
    public char SubAddressDelimiter { get; init; } = '+';

    /// <summary>The longest line of a message accepted, in bytes without its end; 998 to 65536.</summary>
    public int MaxLineLength { get; init; } = 32 * 1024;

    /// <summary>The bounds of one session and of all together.</summary>
    public SmtpLimits Limits { get; init; } = new();
}

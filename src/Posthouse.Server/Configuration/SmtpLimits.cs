namespace Posthouse.Server.Configuration;

/// <summary>
/// <c>smtp limit</c>: bounds of SMTP sessions. The defaults never meet a legitimate client, however busy; they end what would
/// otherwise go on for ever.
/// </summary>
public sealed record SmtpLimits
{
    /// <summary>Messages in a session (<c>max-mails</c>).</summary>
    public int MaxMails { get; init; } = 100;

    /// <summary>Recipients of a message (<c>max-rcpt</c>).</summary>
    public int MaxRecipients { get; init; } = 1000;

    /// <summary>Sessions at once (<c>max-sessions</c>); the limit of open files may be lower.</summary>
    public int MaxSessions { get; init; } = 20_000;

    /// <summary>Sessions at once from one address, the loopback's exempt (<c>max-sessions-per-address</c>).</summary>
    public int MaxSessionsPerAddress { get; init; } = 200;

    /// <summary>Commands in a session (<c>max-commands</c>): enough for the largest number of mails with the largest number of recipients.</summary>
    public int MaxCommands { get; init; } = 200_000;

    /// <summary>Commands in a session that were refused as wrong (<c>max-errors</c>).</summary>
    public int MaxErrors { get; init; } = 50;

    /// <summary>How long a session may say nothing (<c>idle-timeout</c>). RFC 5321 4.5.3.2.7 wants five minutes.</summary>
    public TimeSpan IdleTimeout { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>How long a session may last (<c>session-timeout</c>).</summary>
    public TimeSpan SessionTimeout { get; init; } = TimeSpan.FromHours(4);
}

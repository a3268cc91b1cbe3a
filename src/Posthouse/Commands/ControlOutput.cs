namespace Posthouse.Commands;

/// <summary>How smtpctl prints the answer to a command.</summary>
public enum ControlOutput
{
    /// <summary><c>command succeeded</c> or <c>command failed</c>.</summary>
    Verdict,

    /// <summary><c>N envelopes scheduled</c>.</summary>
    Scheduled,

    /// <summary><c>N envelopes removed</c>.</summary>
    Removed,

    /// <summary><c>N envelopes paused</c>.</summary>
    Paused,

    /// <summary><c>N envelopes resumed</c>.</summary>
    Resumed,

    /// <summary><c>N envelopes discovered</c>.</summary>
    Discovered,

    /// <summary>A line per process of a filter.</summary>
    Filters,

    /// <summary>A line per envelope.</summary>
    Queue,

    /// <summary>One envelope, a field a line.</summary>
    Envelope,

    /// <summary>A message as it is.</summary>
    Content,

    /// <summary><c>name=value</c> lines.</summary>
    Stats,

    /// <summary><c>MDA running</c> and so on.</summary>
    Status,

    /// <summary>A line of differences every second.</summary>
    Monitor,

    /// <summary>Nothing of the server's: hashes a password.</summary>
    Encrypt,
}

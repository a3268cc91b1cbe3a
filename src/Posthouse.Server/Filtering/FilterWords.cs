using Posthouse.Server.Configuration;

namespace Posthouse.Server.Filtering;

/// <summary>The words of smtpd-filters(7) for phases and events.</summary>
internal static class FilterWords
{
    internal const int Phases = 13;
    internal const int Events = 19;

    private static readonly string[] s_phases =
        ["connect", "helo", "ehlo", "starttls", "auth", "mail-from", "rcpt-to", "data", "data-line", "commit", "rset", "quit", "noop"];

    private static readonly string[] s_events =
    [
        "link-connect", "link-greeting", "link-identify", "link-tls", "link-auth", "link-disconnect",
        "tx-begin", "tx-mail", "tx-rcpt", "tx-envelope", "tx-data", "tx-commit", "tx-rollback", "tx-reset",
        "protocol-client", "protocol-server", "filter-report", "filter-response", "timeout",
    ];

    internal static string Of(FilterPhase phase) => s_phases[(int)phase];

    internal static string Of(FilterEvent what) => s_events[(int)what];

    /// <summary>A phase as the event filter-response has it, which differs for two of them.</summary>
    internal static string InResponse(FilterPhase phase) => phase switch
    {
        FilterPhase.Connect => "connected",
        FilterPhase.StartTls => "tls",
        _ => Of(phase),
    };

    /// <summary>Null for a word that is no phase.</summary>
    internal static FilterPhase? PhaseOf(string word) => Array.IndexOf(s_phases, word) is >= 0 and var index ? (FilterPhase)index : null;

    /// <summary>Null for a word that is no event.</summary>
    internal static FilterEvent? EventOf(string word) => Array.IndexOf(s_events, word) is >= 0 and var index ? (FilterEvent)index : null;
}

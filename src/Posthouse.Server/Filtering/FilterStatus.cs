using System.Text.Json.Serialization;

namespace Posthouse.Server.Filtering;

/// <summary>How one process of a filter is. Times are in microseconds, from a question to its answer.</summary>
public sealed record FilterStatus
{
    /// <summary>The name of the filter or proc.</summary>
    public required string Name { get; init; }

    /// <summary>Which of its copies, from zero.</summary>
    public int Instance { get; init; }

    /// <summary>Its process; zero when it does not run.</summary>
    [JsonPropertyName("pid")]
    public int ProcessId { get; init; }

    /// <summary><c>ready</c>, <c>starting</c>, <c>down</c>, or <c>careful</c>: after a death, asked one request at a time.</summary>
    public required string State { get; init; }

    /// <summary>How often it was started again.</summary>
    public int Restarts { get; init; }

    /// <summary>Requests so far: commands and messages.</summary>
    public long Requests { get; init; }

    /// <summary>Requests without an answer yet.</summary>
    public int Outstanding { get; init; }

    /// <summary>Answers that nobody had asked for any more.</summary>
    public long Ignored { get; init; }

    /// <summary>Events that it missed for good, because too many were waiting for its restart.</summary>
    public long Dropped { get; init; }

    /// <summary>Requests that got the answer of <c>on-failure</c>.</summary>
    public long Failures { get; init; }

    /// <summary>Half of the answers came within this time.</summary>
    [JsonPropertyName("p50")]
    public long Median { get; init; }

    /// <summary>Nine of ten answers came within this time.</summary>
    [JsonPropertyName("p90")]
    public long NinetyPercent { get; init; }

    /// <summary>99 of 100 answers came within this time.</summary>
    [JsonPropertyName("p99")]
    public long NinetyNinePercent { get; init; }
}

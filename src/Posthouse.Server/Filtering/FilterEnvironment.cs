using Microsoft.Extensions.Logging;

namespace Posthouse.Server.Filtering;

/// <summary>What filters need of the server around them.</summary>
public sealed record FilterEnvironment
{
    /// <summary>The authority in whose name mail is judged, in headers such as Authentication-Results (RFC 8601): <c>config|admd</c>.</summary>
    public required string Admd { get; init; }

    /// <summary>Where messages that are too long for memory wait for a filter; files there have no name.</summary>
    public required string SpoolDirectory { get; init; }

    /// <summary>How long a session may be silent, as filters are told.</summary>
    public TimeSpan SessionTimeout { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>The largest message, in bytes; what filters make of it may be 1 MiB larger.</summary>
    public long MaxMessageSize { get; init; } = 35L * 1024 * 1024;

    /// <summary>The clock.</summary>
    public required TimeProvider Time { get; init; }

    /// <summary>The log.</summary>
    public required ILogger Logger { get; init; }
}

namespace Posthouse.Server.Configuration;

/// <summary><c>mda limit</c>: bounds of local delivery.</summary>
public sealed record MdaLimits
{
    /// <summary>Deliveries at once.</summary>
    public int MaxSessions { get; init; } = 50;

    /// <summary>Deliveries at once for one user.</summary>
    public int MaxSessionsPerUser { get; init; } = 7;

    /// <summary>Waiting envelopes of a user below which held ones are asked for again.</summary>
    public int TaskLowWater { get; init; } = 30;

    /// <summary>Waiting envelopes of a user above which more are held.</summary>
    public int TaskHighWater { get; init; } = 50;

    /// <summary>How many held envelopes are asked for at a time.</summary>
    public int TaskRelease { get; init; } = 10;
}

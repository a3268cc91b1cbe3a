namespace Posthouse.Server.Delivering;

/// <summary>What the configuration says about the dispatcher.</summary>
public sealed record DispatcherOptions
{
    /// <summary>The server's name, for envelopes that do not carry their own.</summary>
    public required string ServerName { get; init; }

    /// <summary>Limits of local delivery (<c>mda limit</c>).</summary>
    public LaneLimits Local { get; init; } = new();

    /// <summary>Ages of a message at which its sender is told of the delay (<c>bounce warn-interval</c>), ascending.</summary>
    public IReadOnlyList<TimeSpan> WarnIntervals { get; init; } = [TimeSpan.FromHours(4)];

    /// <summary>How long a bounce is tried (<c>queue ttl</c>).</summary>
    public TimeSpan BounceTimeToLive { get; init; } = TimeSpan.FromDays(4);

    /// <summary>Envelopes asked of the scheduler at a time.</summary>
    public int BatchSize { get; init; } = 256;
}

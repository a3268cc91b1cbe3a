namespace Posthouse.Server.Delivering;

/// <summary>How many envelopes of one kind are worked on at once, in all and for one destination (for local delivery: one user).</summary>
public sealed record LaneLimits
{
    /// <summary>Deliveries that run at once, over all destinations.</summary>
    public int MaxRunning { get; init; } = 50;

    /// <summary>Deliveries that run at once for one destination, so that a slow one does not occupy everything.</summary>
    public int MaxPerDestination { get; init; } = 7;

    /// <summary>Envelopes of one destination that wait or run here; further ones are held in the scheduler.</summary>
    public int HighWater { get; init; } = 50;

    /// <summary>When so few are left, held ones are asked for.</summary>
    public int LowWater { get; init; } = 30;

    /// <summary>How many held envelopes are asked for at a time.</summary>
    public int Release { get; init; } = 10;

    /// <summary>For kinds that limit themselves: everything runs as soon as it is due.</summary>
    internal static LaneLimits Open { get; } = new() { MaxRunning = int.MaxValue, MaxPerDestination = int.MaxValue, HighWater = int.MaxValue };
}

namespace Posthouse.Server.Scheduling;

/// <summary>Limits of a <see cref="RamScheduler"/>.</summary>
public sealed record RamSchedulerOptions
{
    /// <summary>How many envelopes may be handed out at once (<c>scheduler limit max-inflight</c>).</summary>
    public int MaxInFlight { get; init; } = 5000;

    /// <summary>How many envelopes a hold queue takes; what finds it full is tried again later.</summary>
    public int MaxHeld { get; init; } = 1000;
}

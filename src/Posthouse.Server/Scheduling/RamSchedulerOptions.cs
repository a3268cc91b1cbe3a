namespace Posthouse.Server.Scheduling;

/// <summary>Limits of a <see cref="RamScheduler"/>.</summary>
public sealed record RamSchedulerOptions
{
    /// <summary>How many envelopes may be handed out at once (<c>scheduler limit max-inflight</c>).</summary>
    public int MaxInFlight { get; init; } = 5000;

    /// <summary>
    /// How many envelopes a hold queue takes; what finds it full is tried again later. OpenSMTPD has 1000, which makes a burst to one
    /// mailbox wait for seconds while nothing is done; an envelope held costs no more than one that waits.
    /// </summary>
    public int MaxHeld { get; init; } = 1_000_000;
}

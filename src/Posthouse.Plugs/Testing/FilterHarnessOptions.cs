namespace Posthouse.Plugs.Testing;

/// <summary>What kind of server a <see cref="FilterHarness"/> plays.</summary>
public sealed class FilterHarnessOptions
{
    /// <summary>The protocol's version, such as <c>0.7</c>.</summary>
    public string Version { get; init; } = "0.7";

    /// <summary>Whether bulk data is offered.</summary>
    public bool OffersBulk { get; init; }

    /// <summary>Events up to this time are told to be replayed; null for none.</summary>
    public DateTimeOffset? ReplayUntil { get; init; }

    /// <summary>The time of events; now when null.</summary>
    public DateTimeOffset? Time { get; init; }

    /// <summary>How long the filter may take for one answer.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(30);
}

namespace Posthouse.Plugs;

/// <summary>Where an envelope stands in a scheduler.</summary>
public enum ScheduleState
{
    /// <summary>Waiting for its time.</summary>
    Pending,

    /// <summary>Handed out.</summary>
    InFlight,

    /// <summary>In a hold queue.</summary>
    Held,

    /// <summary>Suspended by an administrator.</summary>
    Suspended,
}

namespace Posthouse.Plugs;

/// <summary>What is to be done with an envelope that a scheduler hands out.</summary>
public enum ScheduledAction
{
    /// <summary>Try to deliver it.</summary>
    Deliver,

    /// <summary>Its time is over: bounce it.</summary>
    Expire,

    /// <summary>An administrator removed it: forget it.</summary>
    Remove,
}

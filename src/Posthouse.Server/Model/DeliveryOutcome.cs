namespace Posthouse.Server.Model;

/// <summary>The ways in which a try to deliver ends.</summary>
public enum DeliveryOutcome
{
    /// <summary>Done.</summary>
    Delivered,

    /// <summary>To be tried again.</summary>
    Temporary,

    /// <summary>To be returned to the sender.</summary>
    Permanent,

    /// <summary>Other envelopes have taken its place and are in the queue: it is deleted, and nobody is told.</summary>
    Replaced,
}

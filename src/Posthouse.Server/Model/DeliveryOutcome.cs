namespace Posthouse.Server.Model;

/// <summary>The three ways in which a try to deliver ends.</summary>
public enum DeliveryOutcome
{
    /// <summary>Done.</summary>
    Delivered,

    /// <summary>To be tried again.</summary>
    Temporary,

    /// <summary>To be returned to the sender.</summary>
    Permanent,
}

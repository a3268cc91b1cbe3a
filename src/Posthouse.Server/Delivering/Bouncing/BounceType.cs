namespace Posthouse.Server.Delivering.Bouncing;

/// <summary>The types of a delivery status notification, as envelopes and subjects spell them; they are also the actions of RFC 3464 section 2.3.3.</summary>
public static class BounceType
{
    /// <summary>Delivery has failed for good.</summary>
    public const string Failed = "failed";

    /// <summary>Delivery is late and goes on being tried.</summary>
    public const string Delayed = "delayed";

    /// <summary>Delivered here, and the sender asked to be told.</summary>
    public const string Delivered = "delivered";

    /// <summary>Given to a host that sends no notifications, and the sender asked to be told.</summary>
    public const string Relayed = "relayed";
}

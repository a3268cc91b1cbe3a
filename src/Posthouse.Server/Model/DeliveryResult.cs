using Posthouse.Wire;

namespace Posthouse.Server.Model;

/// <summary>How one try to deliver one envelope ended.</summary>
public sealed record DeliveryResult(DeliveryOutcome Outcome, EnhancedCode Status, string Text)
{
    /// <summary>The host that answered, for the delivery report; null for local deliveries.</summary>
    public string? Remote { get; init; }

    /// <summary>Delivered: what was promised is on stable storage, or the next hop said 250.</summary>
    public static DeliveryResult Delivered(string text = "Delivered") => new(DeliveryOutcome.Delivered, new(2, 0, 0), text);

    /// <summary>To be tried again.</summary>
    public static DeliveryResult Temporary(string text, ushort subject = 0, ushort code = 0) => new(DeliveryOutcome.Temporary, new(4, subject, code), text);

    /// <summary>To be returned to the sender.</summary>
    public static DeliveryResult Permanent(string text, ushort subject = 0, ushort code = 0) => new(DeliveryOutcome.Permanent, new(5, subject, code), text);

    /// <summary>Other envelopes, already in the queue, have taken its place.</summary>
    public static DeliveryResult Replaced(string text) => new(DeliveryOutcome.Replaced, new(2, 0, 0), text);

    /// <summary>The result that a fault amounts to.</summary>
    public static DeliveryResult Of(Fault fault) =>
        new(fault.IsPermanent ? DeliveryOutcome.Permanent : DeliveryOutcome.Temporary, fault.Status, fault.PublicText);
}

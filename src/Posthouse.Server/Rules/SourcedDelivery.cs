using Posthouse.Server.Model;
using Posthouse.Server.Tables;

namespace Posthouse.Server.Rules;

/// <summary>
/// The command or file that an envelope's source names now, and the user whose .forward it stands in (null for an alias); or a fault;
/// or neither: then the source has changed, and the address is to be expanded again.
/// </summary>
public sealed record SourcedDelivery(ExpansionElement? Element, UserAccount? Owner = null, Fault? Fault = null)
{
    /// <summary>What the envelope was made from is no longer there.</summary>
    public static SourcedDelivery Changed { get; } = new((ExpansionElement?)null);

    /// <summary>Whether the source has changed.</summary>
    public bool IsChanged => Element is null && Fault is null;
}

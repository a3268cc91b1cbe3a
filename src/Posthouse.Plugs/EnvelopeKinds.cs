namespace Posthouse.Plugs;

/// <summary>A set of <see cref="EnvelopeKind"/>, as a scheduler is asked for.</summary>
[Flags]
public enum EnvelopeKinds
{
    /// <summary>No kind.</summary>
    None = 0,

    /// <summary>Local deliveries.</summary>
    Mda = 1,

    /// <summary>Relays.</summary>
    Mta = 2,

    /// <summary>Bounces.</summary>
    Bounce = 4,

    /// <summary>Every kind.</summary>
    All = Mda | Mta | Bounce,
}

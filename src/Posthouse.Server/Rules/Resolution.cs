using Posthouse.Wire;

namespace Posthouse.Server.Rules;

/// <summary>What becomes of a recipient: a refusal, or at least one envelope.</summary>
public sealed class Resolution
{
    private Resolution(SmtpReply? refusal, IReadOnlyList<EnvelopePrototype> envelopes)
    {
        Refusal = refusal;
        Envelopes = envelopes;
    }

    /// <summary>The reply for RCPT when it is refused, 4yz or 5yz; null when it is accepted.</summary>
    public SmtpReply? Refusal { get; }

    /// <summary>The envelopes; empty when it is refused.</summary>
    public IReadOnlyList<EnvelopePrototype> Envelopes { get; }

    /// <summary>Whether the recipient is accepted.</summary>
    public bool IsAccepted => Refusal is null;

    /// <summary>Accepted.</summary>
    /// <exception cref="ArgumentException">There are no envelopes.</exception>
    public static Resolution Accept(IReadOnlyList<EnvelopePrototype> envelopes)
    {
        ArgumentNullException.ThrowIfNull(envelopes);
        return envelopes.Count > 0 ? new(null, envelopes) : throw new ArgumentException("an accepted recipient has an envelope", nameof(envelopes));
    }

    /// <summary>Refused.</summary>
    public static Resolution Refuse(SmtpReply refusal) => new(refusal, []);
}

using Posthouse.Server.Rules;
using Posthouse.Wire;

namespace Posthouse.Server.Receiving;

/// <summary>A recipient of the transaction, and the envelopes it becomes.</summary>
internal readonly record struct AcceptedRecipient(RcptCommand Command, IReadOnlyList<EnvelopePrototype> Envelopes);

using Posthouse.Plugs;
using Posthouse.Server.Rules;
using Posthouse.Wire;

namespace Posthouse.Server.Receiving;

/// <summary>A recipient of the transaction, and the envelopes it becomes: of the ids that filters were told, or, where <paramref name="Ids"/> is null, of any.</summary>
internal readonly record struct AcceptedRecipient(RcptCommand Command, IReadOnlyList<EnvelopePrototype> Envelopes, EnvelopeId[]? Ids = null);

using Posthouse.Plugs;

namespace Posthouse.Server.Queueing;

/// <summary>
/// An envelope as an inspection of the spool finds it. <see cref="Envelope"/> is null for a damaged one. Of one that needs another key it has what is
/// readable without; <see cref="Problem"/> then says what is wrong.
/// </summary>
public sealed record SpooledEnvelope(string Store, EnvelopeId Id, ReadOnlyMemory<byte> Json, Envelope? Envelope, string? Problem)
{
    /// <summary>Whether it cannot be read at all.</summary>
    public bool IsDamaged => Envelope is null;
}

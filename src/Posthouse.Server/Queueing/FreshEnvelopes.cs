using System.Diagnostics.CodeAnalysis;
using Posthouse.Plugs;

namespace Posthouse.Server.Queueing;

/// <summary>
/// Just-accepted envelopes on the way to their first delivery, so that it reads nothing from the store. Direct-mapped:
/// an id has one slot and a newcomer takes it over, which bounds memory without any bookkeeping. Lock-free.
/// </summary>
internal sealed class FreshEnvelopes(int slots = FreshEnvelopes.DefaultSlots)
{
    private const int DefaultSlots = 4096;
    private readonly Envelope?[] _slots = new Envelope?[slots];

    public void Put(Envelope envelope) => Volatile.Write(ref Slot(envelope.Id), envelope);

    /// <summary>Takes an envelope out: it is needed once, later versions come from the store.</summary>
    public bool TryTake(EnvelopeId id, [NotNullWhen(true)] out Envelope? envelope)
    {
        ref Envelope? slot = ref Slot(id);
        envelope = Volatile.Read(ref slot);
        if (envelope is not null && envelope.Id == id && Interlocked.CompareExchange(ref slot, null, envelope) == envelope)
            return true;
        envelope = null;
        return false;
    }

    // Both halves of an id are random; the second tells the envelopes of one message apart.
    private ref Envelope? Slot(EnvelopeId id) => ref _slots[(uint)(id.Value ^ (id.Value >> 32)) % (uint)_slots.Length];
}

using System.Numerics;

namespace Posthouse.Server.Queueing.Log;

/// <summary>
/// Which messages and envelopes there are and where, in about 90 bytes for a message with one recipient.
/// <para>
/// Messages hang in buckets chosen by the upper bits of their id. Ids are drawn at random, so the buckets fill evenly,
/// and since their order is the order of ids, a walk in order needs no sorted copy of anything: it goes from bucket to
/// bucket and sorts the one or two messages in each. Envelopes are found by a second, ordinary hash, and are chained to
/// their message in both directions, so that loading, adding and removing one cost the same however many recipients there are.
/// </para>
/// </summary>
internal sealed class LogIndex
{
    public const int None = -1;
    private const int SmallestBits = 8;

    private readonly Slab<Message> _messages = new();
    private readonly Slab<Envelope> _envelopes = new();
    private readonly List<uint> _near = [];
    private int[] _messageBuckets = Empty(SmallestBits);
    private int[] _envelopeBuckets = Empty(SmallestBits);
    private int _messageBits = SmallestBits;

    internal struct Message
    {
        public uint Id;
        public int First;
        public int Next;
        public int Count;

        /// <summary>The segment of its record; <see cref="None"/> while only envelopes of it are known.</summary>
        public int Segment;

        /// <summary>Offset of its record, or the number of its body file.</summary>
        public long Place;

        /// <summary>Bytes of content; the complement (negative) when they are in a body file.</summary>
        public long CodedLength;

        public readonly bool IsBig => CodedLength < 0;

        public readonly long Length => IsBig ? ~CodedLength : CodedLength;
    }

    internal struct Envelope
    {
        private const uint OlderBit = 0x8000_0000;

        public uint Own;
        public int Message;
        public int Previous;
        public int Next;
        public int NextInBucket;
        public int Segment;
        public uint Offset;
        private uint _length;

        /// <summary>An older version stands elsewhere in the log.</summary>
        public readonly bool HasOlder => (_length & OlderBit) != 0;

        public readonly LogPlace Place => new(Segment, Offset, (int)(_length & ~OlderBit));

        public void Set(LogPlace place, bool hasOlder)
        {
            Segment = place.Segment;
            Offset = place.Offset;
            _length = (uint)place.Length | (hasOlder ? OlderBit : 0);
        }
    }

    public int MessageCount { get; private set; }

    public int EnvelopeCount { get; private set; }

    public ref Message MessageAt(int slot) => ref _messages[slot];

    public ref Envelope EnvelopeAt(int slot) => ref _envelopes[slot];

    public int FindMessage(uint id)
    {
        for (int slot = _messageBuckets[id >> (32 - _messageBits)]; slot != None; slot = _messages[slot].Next)
        {
            if (_messages[slot].Id == id)
                return slot;
        }

        return None;
    }

    public int FindEnvelope(ulong id)
    {
        for (int slot = _envelopeBuckets[Hash(id)]; slot != None;)
        {
            ref Envelope envelope = ref _envelopes[slot];
            if (envelope.Own == (uint)id && _messages[envelope.Message].Id == (uint)(id >> 32))
                return slot;
            slot = envelope.NextInBucket;
        }

        return None;
    }

    /// <summary>Adds a message that is not there, without content as yet.</summary>
    public int AddMessage(uint id)
    {
        if (++MessageCount > _messageBuckets.Length)
            ResizeMessages(_messageBits + 1);
        int slot = _messages.Take();
        ref int bucket = ref _messageBuckets[id >> (32 - _messageBits)];
        _messages[slot] = new() { Id = id, First = None, Next = bucket, Segment = None };
        bucket = slot;
        return slot;
    }

    /// <summary>Removes a message without envelopes.</summary>
    public void RemoveMessage(int slot)
    {
        ref int link = ref _messageBuckets[_messages[slot].Id >> (32 - _messageBits)];
        while (link != slot)
            link = ref _messages[link].Next;
        link = _messages[slot].Next;
        _messages.Give(slot);
        if (--MessageCount == 0)
            Reset();
        else if (_messageBits > SmallestBits && MessageCount < _messageBuckets.Length / 8)
            ResizeMessages(_messageBits - 1);
    }

    /// <summary>Adds an envelope that is not there to a message.</summary>
    public int AddEnvelope(int message, uint own)
    {
        if (++EnvelopeCount > _envelopeBuckets.Length)
            ResizeEnvelopes(_envelopeBuckets.Length * 2);
        int slot = _envelopes.Take();
        ref Message owner = ref _messages[message];
        ref int bucket = ref _envelopeBuckets[Hash(RecordHeader.IdOf(owner.Id) | own)];
        _envelopes[slot] = new() { Own = own, Message = message, Previous = None, Next = owner.First, NextInBucket = bucket, Segment = None };
        if (owner.First != None)
            _envelopes[owner.First].Previous = slot;
        owner.First = slot;
        owner.Count++;
        bucket = slot;
        return slot;
    }

    public void RemoveEnvelope(int slot)
    {
        ref Envelope envelope = ref _envelopes[slot];
        ref Message owner = ref _messages[envelope.Message];
        ref int link = ref _envelopeBuckets[Hash(RecordHeader.IdOf(owner.Id) | envelope.Own)];
        while (link != slot)
            link = ref _envelopes[link].NextInBucket;
        link = envelope.NextInBucket;
        if (envelope.Previous != None)
            _envelopes[envelope.Previous].Next = envelope.Next;
        else
            owner.First = envelope.Next;
        if (envelope.Next != None)
            _envelopes[envelope.Next].Previous = envelope.Previous;
        owner.Count--;
        _envelopes.Give(slot);
        EnvelopeCount--;
        if (_envelopeBuckets.Length > 1 << SmallestBits && EnvelopeCount < _envelopeBuckets.Length / 8)
            ResizeEnvelopes(_envelopeBuckets.Length / 2);
    }

    /// <summary>Adds to <paramref name="found"/> the envelopes after an id, ascending, until it holds <paramref name="max"/>.</summary>
    public void Collect(ulong after, int max, List<(ulong Id, LogPlace Place)> found)
    {
        uint first = (uint)(after >> 32);
        for (uint bucket = first >> (32 - _messageBits); bucket < _messageBuckets.Length && found.Count < max; bucket++)
        {
            _near.Clear();
            for (int slot = _messageBuckets[bucket]; slot != None; slot = _messages[slot].Next)
            {
                if (_messages[slot].Id >= first)
                    _near.Add(_messages[slot].Id);
            }

            _near.Sort();
            foreach (uint id in _near)
            {
                int start = found.Count;
                for (int slot = _messages[FindMessage(id)].First; slot != None; slot = _envelopes[slot].Next)
                {
                    ulong envelope = RecordHeader.IdOf(id) | _envelopes[slot].Own;
                    if (envelope > after)
                        found.Add((envelope, _envelopes[slot].Place));
                }

                if (found.Count - start > 1)
                    found.Sort(start, found.Count - start, s_byId);
                if (found.Count >= max)
                {
                    found.RemoveRange(max, found.Count - max);
                    return;
                }
            }
        }
    }

    /// <summary>The ids of all messages, in no order.</summary>
    public List<uint> Messages()
    {
        var ids = new List<uint>(MessageCount);
        foreach (int first in _messageBuckets)
        {
            for (int slot = first; slot != None; slot = _messages[slot].Next)
                ids.Add(_messages[slot].Id);
        }

        return ids;
    }

    private static readonly Comparer<(ulong Id, LogPlace Place)> s_byId = Comparer<(ulong Id, LogPlace Place)>.Create(static (a, b) => a.Id.CompareTo(b.Id));

    private static int[] Empty(int bits)
    {
        int[] buckets = new int[1 << bits];
        Array.Fill(buckets, None);
        return buckets;
    }

    private int Hash(ulong id) => (int)((id * 0x9E37_79B9_7F4A_7C15) >> (64 - BitOperations.Log2((uint)_envelopeBuckets.Length)));

    // With nothing left, the memory of the largest backlog is given back.
    private void Reset()
    {
        _messages.Clear();
        _envelopes.Clear();
        _messageBits = SmallestBits;
        _messageBuckets = Empty(SmallestBits);
        _envelopeBuckets = Empty(SmallestBits);
    }

    private void ResizeMessages(int bits)
    {
        int[] before = _messageBuckets;
        _messageBits = bits;
        _messageBuckets = Empty(bits);
        foreach (int first in before)
        {
            for (int slot = first; slot != None;)
            {
                ref Message message = ref _messages[slot];
                int next = message.Next;
                ref int bucket = ref _messageBuckets[message.Id >> (32 - bits)];
                message.Next = bucket;
                bucket = slot;
                slot = next;
            }
        }
    }

    private void ResizeEnvelopes(int size)
    {
        int[] before = _envelopeBuckets;
        _envelopeBuckets = Empty(BitOperations.Log2((uint)size));
        foreach (int first in before)
        {
            for (int slot = first; slot != None;)
            {
                ref Envelope envelope = ref _envelopes[slot];
                int next = envelope.NextInBucket;
                ref int bucket = ref _envelopeBuckets[Hash(RecordHeader.IdOf(_messages[envelope.Message].Id) | envelope.Own)];
                envelope.NextInBucket = bucket;
                bucket = slot;
                slot = next;
            }
        }
    }
}

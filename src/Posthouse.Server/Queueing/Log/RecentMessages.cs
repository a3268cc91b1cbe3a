using System.Buffers;

namespace Posthouse.Server.Queueing.Log;

/// <summary>
/// The records of messages just accepted or just read, kept for their delivery in the very buffers they were written
/// from. Bounded by bytes and by time, oldest first. A place in the log is the key, so that nothing stale is ever served.
/// </summary>
internal sealed class RecentMessages(long capacity, TimeSpan lifetime, TimeProvider time)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<uint, Held> _held = [];
    private readonly Queue<Held> _byAge = new();
    private long _bytes;

    private sealed class Held(uint message, int segment, long start, byte[] buffer, int length, long since)
    {
        public uint Message => message;

        public int Segment => segment;

        public long Start => start;

        public byte[]? Buffer { get; set; } = buffer;

        public int Length => length;

        public long Since => since;
    }

    /// <summary>Takes over a pooled buffer with the records that stand at <paramref name="start"/>.</summary>
    public void Add(uint message, int segment, long start, byte[] buffer, int length)
    {
        lock (_lock)
        {
            Drop(message);
            if (buffer.Length > capacity / 4)
            {
                ArrayPool<byte>.Shared.Return(buffer);
                return;
            }

            var held = new Held(message, segment, start, buffer, length, time.GetTimestamp());
            _held.Add(message, held);
            _byAge.Enqueue(held);
            _bytes += buffer.Length;
            while (_bytes > capacity)
                DropOldest();
        }
    }

    /// <summary>Copies from the payload of the record at <paramref name="place"/>; false if it is not here.</summary>
    public bool TryCopy(uint message, LogPlace place, long offset, Span<byte> to, out int count)
    {
        count = 0;
        lock (_lock)
        {
            if (!_held.TryGetValue(message, out Held? held) || held.Segment != place.Segment)
                return false;
            long at = place.Offset - held.Start;
            if (at < 0 || at + RecordHeader.Size + place.Length > held.Length)
                return false;
            count = (int)Math.Clamp(place.Length - offset, 0, to.Length);
            held.Buffer.AsSpan((int)(at + RecordHeader.Size + Math.Min(offset, place.Length)), count).CopyTo(to);
            return true;
        }
    }

    public void Remove(uint message)
    {
        lock (_lock)
            Drop(message);
    }

    /// <summary>Drops what has been here too long, so that an idle server keeps nothing.</summary>
    public void Trim()
    {
        lock (_lock)
        {
            while (_byAge.TryPeek(out Held? oldest) && (oldest.Buffer == null || time.GetElapsedTime(oldest.Since) >= lifetime))
                DropOldest();
        }
    }

    private void DropOldest()
    {
        Held oldest = _byAge.Dequeue();
        if (oldest.Buffer != null)
            Drop(oldest.Message);
    }

    private void Drop(uint message)
    {
        if (!_held.Remove(message, out Held? held))
            return;
        _bytes -= held.Buffer!.Length;
        ArrayPool<byte>.Shared.Return(held.Buffer);
        held.Buffer = null;
        // Messages leave in about the order they came, so what is dropped at the front goes now and the queue stays short.
        while (_byAge.TryPeek(out Held? oldest) && oldest.Buffer == null)
            _byAge.Dequeue();
    }
}

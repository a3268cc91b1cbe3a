using Posthouse.Plugs;

namespace Posthouse.Server.Queueing;

/// <summary>
/// The <c>ram</c> store: everything is in memory and gone with the process. For tests and for relays whose senders
/// keep their own copy. Bounded: beyond its capacity a commit is refused.
/// </summary>
public sealed class RamQueue(long capacity = RamQueue.DefaultCapacity) : IQueue
{
    /// <summary>Bytes of content and envelopes held at most, unless told otherwise: 1 GiB.</summary>
    public const long DefaultCapacity = 1L << 30;

    private readonly Lock _lock = new();
    private readonly Dictionary<MessageId, Held> _messages = [];
    private readonly SortedSet<uint> _committed = [];
    private long _used;

    private sealed class Held
    {
        public byte[] Content = [];
        public int Length;
        public bool Committed;
        public bool Overflowed;
        public readonly SortedList<ulong, ReadOnlyMemory<byte>> Envelopes = [];
        public readonly List<StoredEnvelope> Added = [];
    }

    /// <inheritdoc/>
    public ValueTask<QueueResult> CreateMessageAsync(MessageId message, CancellationToken cancellation = default)
    {
        lock (_lock)
            return new(_messages.TryAdd(message, new Held()) ? QueueResult.Ok : QueueResult.Exists);
    }

    /// <inheritdoc/>
    public ValueTask WriteMessageAsync(MessageId message, ReadOnlyMemory<byte> chunk, CancellationToken cancellation = default)
    {
        lock (_lock)
        {
            if (!_messages.TryGetValue(message, out Held? held) || held.Committed || held.Overflowed)
                return default;
            if (_used + chunk.Length > capacity || held.Length + (long)chunk.Length > Array.MaxLength)
            {
                held.Overflowed = true;
                return default;
            }

            int needed = held.Length + chunk.Length;
            if (needed > held.Content.Length)
                Array.Resize(ref held.Content, (int)Math.Min(Array.MaxLength, Math.Max(needed, 2L * held.Content.Length)));
            chunk.Span.CopyTo(held.Content.AsSpan(held.Length));
            held.Length = needed;
            _used += chunk.Length;
        }

        return default;
    }

    /// <inheritdoc/>
    public void CreateEnvelope(EnvelopeId envelope, ReadOnlyMemory<byte> json)
    {
        lock (_lock)
        {
            if (_messages.TryGetValue(envelope.Message, out Held? held))
                held.Added.Add(new(envelope, json));
        }
    }

    /// <inheritdoc/>
    public ValueTask<QueueResult> CommitAsync(MessageId message, CancellationToken cancellation = default)
    {
        lock (_lock)
        {
            if (!_messages.TryGetValue(message, out Held? held))
                return new(QueueResult.NotFound);
            long added = held.Added.Sum(static envelope => (long)envelope.Json.Length);
            if (held.Overflowed || _used + added > capacity)
            {
                Forget(message, held);
                return new(QueueResult.Error("the memory set aside for the queue is full"));
            }

            foreach (StoredEnvelope envelope in held.Added)
            {
                if (held.Envelopes.TryGetValue(envelope.Id.Value, out ReadOnlyMemory<byte> before))
                    added -= before.Length;
                held.Envelopes[envelope.Id.Value] = envelope.Json;
            }

            held.Added.Clear();
            if (held.Envelopes.Count == 0)
            {
                Drop(message, held);
                return new(QueueResult.Ok);
            }

            _used += added;
            if (!held.Committed)
            {
                held.Committed = true;
                _committed.Add(message.Value);
                Array.Resize(ref held.Content, held.Length);
            }
        }

        return new(QueueResult.Ok);
    }

    /// <inheritdoc/>
    public void Rollback(MessageId message)
    {
        lock (_lock)
        {
            if (_messages.TryGetValue(message, out Held? held))
                Forget(message, held);
        }
    }

    /// <inheritdoc/>
    public ValueTask<QueueRead> ReadMessageAsync(MessageId message, long offset, Memory<byte> buffer, CancellationToken cancellation = default)
    {
        byte[] content;
        lock (_lock)
        {
            if (!_messages.TryGetValue(message, out Held? held) || !held.Committed)
                return new(new QueueRead(QueueResult.NotFound, 0));
            content = held.Content;
        }

        if (offset >= content.Length)
            return new(new QueueRead(QueueResult.Ok, 0));
        int count = (int)Math.Min(buffer.Length, content.Length - offset);
        content.AsSpan((int)offset, count).CopyTo(buffer.Span);
        return new(new QueueRead(QueueResult.Ok, count));
    }

    /// <inheritdoc/>
    public ValueTask<QueueResult> UpdateEnvelopeAsync(EnvelopeId envelope, ReadOnlyMemory<byte> json, CancellationToken cancellation = default)
    {
        lock (_lock)
        {
            if (!_messages.TryGetValue(envelope.Message, out Held? held) || !held.Envelopes.TryGetValue(envelope.Value, out ReadOnlyMemory<byte> before))
                return new(QueueResult.NotFound);
            held.Envelopes[envelope.Value] = json;
            _used += json.Length - before.Length;
        }

        return new(QueueResult.Ok);
    }

    /// <inheritdoc/>
    public ValueTask<QueueResult> DeleteEnvelopeAsync(EnvelopeId envelope, CancellationToken cancellation = default)
    {
        lock (_lock)
        {
            if (!_messages.TryGetValue(envelope.Message, out Held? held) || !held.Envelopes.Remove(envelope.Value, out ReadOnlyMemory<byte> before))
                return new(QueueResult.NotFound);
            _used -= before.Length;
            // Envelopes waiting for a commit keep their message alive.
            if (held.Envelopes.Count == 0 && held.Added.Count == 0)
                Drop(envelope.Message, held);
        }

        return new(QueueResult.Ok);
    }

    /// <inheritdoc/>
    public ValueTask<QueueWalk> WalkAsync(EnvelopeId after, int max, CancellationToken cancellation = default)
    {
        List<StoredEnvelope> found = [];
        lock (_lock)
        {
            uint message = after.Message.Value;
            while (found.Count < max)
            {
                if (_messages.TryGetValue(new(message), out Held? held) && held.Committed)
                {
                    for (int i = IndexAfter(held.Envelopes.Keys, after.Value); i < held.Envelopes.Count && found.Count < max; i++)
                        found.Add(new(new(held.Envelopes.Keys[i]), held.Envelopes.Values[i]));
                }

                if (message == uint.MaxValue)
                    break;
                message = _committed.GetViewBetween(message + 1, uint.MaxValue).Min;
                if (message == 0)
                    break;
            }
        }

        return new(new QueueWalk(QueueResult.Ok, found));
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => default;

    private static int IndexAfter(IList<ulong> sorted, ulong value)
    {
        int low = 0;
        int high = sorted.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (sorted[middle] <= value)
                low = middle + 1;
            else
                high = middle;
        }

        return low;
    }

    private void Forget(MessageId message, Held held)
    {
        held.Added.Clear();
        if (!held.Committed || held.Envelopes.Count == 0)
            Drop(message, held);
    }

    private void Drop(MessageId message, Held held)
    {
        _messages.Remove(message);
        _committed.Remove(message.Value);
        _used -= held.Length;
    }
}

using System.Text;
using System.Text.Json;

namespace Posthouse.Plugs.Testing;

/// <summary>What the checks share: an open store, messages made of known bytes, and statements about what the store answers.</summary>
internal sealed class QueueProbe(Func<Task<IQueue>> open) : IAsyncDisposable
{
    private readonly Lock _lock = new();
    private readonly List<EnvelopeId> _made = [];
    private IQueue? _queue;

    public IQueue Queue => _queue ?? throw new InvalidOperationException("the store is not open");

    public static void Require(bool condition, string what)
    {
        if (!condition) throw new QueueContractException(what);
    }

    public static void Require(QueueResult result, QueueStatus status, string call) =>
        Require(result.Status == status, $"{call} answers {status}, but came {result.Status} {result.Message}");

    /// <summary>Bytes that differ from message to message and from place to place.</summary>
    public static byte[] Content(MessageId message, int length)
    {
        byte[] content = new byte[length];
        new Random((int)message.Value).NextBytes(content);
        return content;
    }

    public static byte[] Json(EnvelopeId id, string error = "") => new Envelope
    {
        Id = id,
        Kind = EnvelopeKind.Mda,
        Action = "local",
        Sender = "sender@example.org",
        Recipient = $"r{id}@example.org",
        Destination = $"ü{id}@example.org",
        Size = 5000,
        Created = 1_700_000_000,
        Expires = 1_700_345_600,
        Error = error.Length == 0 ? null : error,
    }.ToJson();

    public async Task ReopenAsync()
    {
        await DisposeAsync();
        _queue = await open();
    }

    public async ValueTask DisposeAsync()
    {
        IQueue? queue = _queue;
        _queue = null;
        if (queue != null) await queue.DisposeAsync();
    }

    public async Task<MessageId> CreateAsync()
    {
        for (int draw = 0; draw < 100; draw++)
        {
            MessageId message = MessageId.Draw();
            QueueResult result = await Queue.CreateMessageAsync(message);
            if (result.IsOk) return message;
            Require(result, QueueStatus.Exists, "create of a random id");
        }

        throw new QueueContractException("a hundred random ids were all taken");
    }

    public async Task WriteAsync(MessageId message, ReadOnlyMemory<byte> content, int chunk = 4096)
    {
        // The chunk is overwritten after each call, because the store must have copied it.
        byte[] buffer = new byte[chunk];
        for (int at = 0; at < content.Length; at += chunk)
        {
            int length = Math.Min(chunk, content.Length - at);
            content.Slice(at, length).CopyTo(buffer);
            await Queue.WriteMessageAsync(message, buffer.AsMemory(0, length));
            buffer.AsSpan().Fill(0xee);
        }
    }

    public EnvelopeId Add(MessageId message, uint own = 0)
    {
        EnvelopeId id = own == 0 ? EnvelopeId.Draw(message) : new((ulong)message.Value << 32 | own);
        Queue.CreateEnvelope(id, Json(id));
        lock (_lock) _made.Add(id);
        return id;
    }

    /// <summary>A committed message of <paramref name="length"/> bytes with so many envelopes.</summary>
    public async Task<(MessageId Message, EnvelopeId[] Envelopes)> PutAsync(int length = 5000, int envelopes = 1)
    {
        MessageId message = await CreateAsync();
        await WriteAsync(message, Content(message, length));
        var ids = new EnvelopeId[envelopes];
        for (int i = 0; i < envelopes; i++)
            ids[i] = Add(message, (uint)((i + 1) * 7));
        Require(await Queue.CommitAsync(message), QueueStatus.Ok, "commit");
        return (message, ids);
    }

    public async Task<StoredEnvelope?> LoadAsync(EnvelopeId id)
    {
        QueueWalk walk = await Queue.WalkAsync(new(id.Value - 1), 1);
        Require(walk.Result, QueueStatus.Ok, "walk");
        Require(walk.Envelopes.Count <= 1, "a walk with max 1 gives at most one envelope");
        return walk.Envelopes.Count == 1 && walk.Envelopes[0].Id == id ? walk.Envelopes[0] : null;
    }

    public async Task ExpectAsync(EnvelopeId id, ReadOnlyMemory<byte> json)
    {
        StoredEnvelope? stored = await LoadAsync(id);
        Require(stored != null, $"envelope {id} is found");
        bool equal;
        try
        {
            using JsonDocument expected = JsonDocument.Parse(json), actual = JsonDocument.Parse(stored!.Value.Json);
            equal = JsonElement.DeepEquals(expected.RootElement, actual.RootElement);
        }
        catch (JsonException e)
        {
            throw new QueueContractException($"envelope {id} comes back as JSON: {e.Message}");
        }

        Require(equal, $"envelope {id} comes back equal, but came {Encoding.UTF8.GetString(stored.Value.Json.Span)}");
    }

    public Task ExpectAsync(EnvelopeId id) => ExpectAsync(id, Json(id));

    public async Task ExpectNoneAsync(EnvelopeId id) => Require(await LoadAsync(id) == null, $"envelope {id} is gone");

    public async Task ExpectContentAsync(MessageId message, int length)
    {
        byte[] expected = Content(message, length), buffer = new byte[16384];
        int at = 0;
        while (true)
        {
            QueueRead read = await Queue.ReadMessageAsync(message, at, buffer);
            Require(read.Result, QueueStatus.Ok, $"read of {message} at {at}");
            if (read.Count == 0) break;
            Require(at + read.Count <= length, $"message {message} has {length} bytes and not more");
            Require(buffer.AsSpan(0, read.Count).SequenceEqual(expected.AsSpan(at, read.Count)), $"message {message} at {at} is what was written");
            at += read.Count;
        }

        Require(at == length, $"message {message} has {length} bytes, but {at} came");
    }

    public async Task ExpectNoContentAsync(MessageId message) =>
        Require((await Queue.ReadMessageAsync(message, 0, new byte[16])).Result, QueueStatus.NotFound, $"read of {message}, which is gone,");

    /// <summary>All ids of the store by walks of at most <paramref name="max"/>, with every promise about order and size checked.</summary>
    public async Task<List<EnvelopeId>> WalkAsync(int max)
    {
        var ids = new List<EnvelopeId>();
        EnvelopeId after = default;
        while (true)
        {
            QueueWalk walk = await Queue.WalkAsync(after, max);
            Require(walk.Result, QueueStatus.Ok, "walk");
            if (walk.Envelopes.Count == 0) return ids;
            Require(walk.Envelopes.Count <= max, $"a walk with max {max} gives no more, but gave {walk.Envelopes.Count}");
            foreach (StoredEnvelope stored in walk.Envelopes)
            {
                Require(stored.Id.Value > after.Value, $"a walk ascends, but {stored.Id} came after {after}");
                after = stored.Id;
                ids.Add(after);
            }
        }
    }

    public async Task DeleteAsync(EnvelopeId id) => Require(await Queue.DeleteEnvelopeAsync(id), QueueStatus.Ok, $"delete of {id}");

    /// <summary>Deletes what the check left; what it deleted itself answers not-found.</summary>
    public async Task CleanAsync()
    {
        foreach (EnvelopeId id in _made)
        {
            QueueResult result = await Queue.DeleteEnvelopeAsync(id);
            Require(result.IsOk || result.Status == QueueStatus.NotFound, $"delete of {id} answers Ok or NotFound, but came {result.Status} {result.Message}");
        }
    }
}

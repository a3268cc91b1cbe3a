using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;
using Posthouse.Plugs;
using Posthouse.Server.Native;

namespace Posthouse.Server.Queueing;

/// <summary>
/// The <c>fs</c> store, the one that people can look into: a directory for each message, <c>NN/MSGID/</c> with NN the first
/// two digits of the id, holding <c>message</c> and one <c>EVPID.json</c> for each envelope.
/// </summary>
/// <remarks>
/// A message is written to <c>incoming/MSGID/</c>, everything in it is synced, and one rename makes it part of the queue; what a crash
/// leaves in <c>incoming</c> is purged at the next start. Envelopes added later are written beside the others under a passing
/// name; a list of them in <c>incoming/MSGID.add</c>, synced, is what commits them, and the next start finishes the renames that a crash
/// left undone. An envelope is replaced by a rename over it. Updates and deletes sync their directory within a second.
/// </remarks>
public sealed class FsQueue : IQueue
{
    private const int Threads = 16;
    private readonly SpoolTree _tree;
    private readonly ILogger _logger;
    private readonly DiskThreads _threads = new(Threads);
    private readonly LateSyncs _syncs;
    private readonly ConcurrentDictionary<MessageId, Incoming> _incoming = new();
    // What is done to the envelopes of one message is done one after the other.
    private readonly Lock[] _turns = [.. Enumerable.Range(0, 64).Select(static _ => new Lock())];

    /// <summary>A message, or envelopes for one that exists, before the commit.</summary>
    private sealed class Incoming(bool isNew)
    {
        public readonly List<StoredEnvelope> Envelopes = [];
        public SafeFileHandle? File;
        public long Length;
        public string? Error;

        public bool IsNew => isNew;
    }

    private FsQueue(SpoolTree tree, TimeProvider time, ILogger logger)
    {
        _tree = tree;
        _logger = logger;
        _syncs = new(_threads, time, logger);
    }

    /// <summary>Opens the store in <paramref name="directory"/>, which is made if it is not there, and clears up after a crash.</summary>
    /// <exception cref="IOException">The directory cannot be made, read or cleared.</exception>
    /// <exception cref="UnauthorizedAccessException">It belongs to somebody else.</exception>
    public static FsQueue Open(string directory, TimeProvider time, ILogger logger)
    {
        SpoolTree tree = new(directory);
        tree.Recover();
        return new FsQueue(tree, time, logger);
    }

    /// <inheritdoc/>
    public ValueTask<QueueResult> CreateMessageAsync(MessageId message, CancellationToken cancellation = default)
    {
        if (!_incoming.TryAdd(message, new Incoming(isNew: true)))
            return new(QueueResult.Exists);
        if (!Directory.Exists(_tree.MessageDirectory(message)))
            return new(QueueResult.Ok);
        _incoming.TryRemove(message, out _);
        return new(QueueResult.Exists);
    }

    /// <inheritdoc/>
    public ValueTask WriteMessageAsync(MessageId message, ReadOnlyMemory<byte> chunk, CancellationToken cancellation = default)
    {
        if (!_incoming.TryGetValue(message, out Incoming? incoming) || !incoming.IsNew || incoming.Error is not null)
            return default;
        try
        {
            incoming.File ??= CreateBody(message);
            RandomAccess.Write(incoming.File, chunk.Span, incoming.Length);
            incoming.Length += chunk.Length;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            incoming.Error = exception.Message;
        }

        return default;
    }

    /// <inheritdoc/>
    public void CreateEnvelope(EnvelopeId envelope, ReadOnlyMemory<byte> json) =>
        _incoming.GetOrAdd(envelope.Message, static _ => new Incoming(isNew: false)).Envelopes.Add(new(envelope, json));

    /// <inheritdoc/>
    public async ValueTask<QueueResult> CommitAsync(MessageId message, CancellationToken cancellation = default)
    {
        if (!_incoming.TryGetValue(message, out Incoming? incoming))
            return Directory.Exists(_tree.MessageDirectory(message)) ? QueueResult.Ok : QueueResult.NotFound;
        try
        {
            return await GuardAsync(() => incoming.IsNew ? CommitNew(message, incoming) : CommitAdded(message, incoming));
        }
        finally
        {
            // Only now is the id free for others: until here the message was neither here nor there.
            _incoming.TryRemove(message, out _);
        }
    }

    /// <inheritdoc/>
    public void Rollback(MessageId message)
    {
        if (!_incoming.TryGetValue(message, out Incoming? incoming))
            return;
        Discard(message, incoming);
        _incoming.TryRemove(message, out _);
    }

    /// <inheritdoc/>
    public async ValueTask<QueueRead> ReadMessageAsync(MessageId message, long offset, Memory<byte> buffer, CancellationToken cancellation = default)
    {
        int count = 0;
        QueueResult result = await GuardAsync(() =>
        {
            int error = FileDescriptor.Open(_tree.BodyFile(message), OpenFlags.ReadOnly, 0, out SafeFileHandle? file);
            if (error != 0)
                return error == Errno.NoEntry ? QueueResult.NotFound : QueueResult.Error(Errno.Text(error));
            using (file)
                count = RandomAccess.Read(file!, buffer.Span, offset);
            return QueueResult.Ok;
        });
        return new(result, count);
    }

    /// <inheritdoc/>
    public ValueTask<QueueResult> UpdateEnvelopeAsync(EnvelopeId envelope, ReadOnlyMemory<byte> json, CancellationToken cancellation = default) => GuardAsync(() =>
    {
        lock (Turn(envelope.Message))
        {
            string file = _tree.EnvelopeFile(envelope);
            if (!File.Exists(file))
                return QueueResult.NotFound;
            string passing = file + SpoolTree.UpdateSuffix;
            SpoolTree.WriteSynced(passing, json.Span);
            File.Move(passing, file, overwrite: true);
            _syncs.Add(_tree.MessageDirectory(envelope.Message));
            return QueueResult.Ok;
        }
    });

    /// <inheritdoc/>
    public ValueTask<QueueResult> DeleteEnvelopeAsync(EnvelopeId envelope, CancellationToken cancellation = default) => GuardAsync(() =>
    {
        lock (Turn(envelope.Message))
        {
            string file = _tree.EnvelopeFile(envelope);
            if (!File.Exists(file))
                return QueueResult.NotFound;
            File.Delete(file);
            RemoveUnlessUsed(envelope.Message);
            return QueueResult.Ok;
        }
    });

    /// <inheritdoc/>
    public async ValueTask<QueueWalk> WalkAsync(EnvelopeId after, int max, CancellationToken cancellation = default)
    {
        List<StoredEnvelope> found = [];
        QueueResult result = await GuardAsync(() =>
        {
            // Mostly one envelope is wanted, or the rest of one message: no need to list the others then.
            Collect(after.Message, after, max, found);
            if (found.Count == max)
                return QueueResult.Ok;
            for (uint first = after.Message.Value >> 24; first < 256 && found.Count < max; first++)
            {
                foreach (MessageId message in List(first))
                {
                    if (message.Value > after.Message.Value && found.Count < max && !Collect(message, after, max, found))
                        RemoveOrphan(message);
                }
            }

            return QueueResult.Ok;
        });
        return new(result, result.IsOk ? found : []);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (MessageId message in _incoming.Keys)
            Rollback(message);
        await _syncs.DisposeAsync();
        await _threads.DisposeAsync();
    }

    private Lock Turn(MessageId message) => _turns[message.Value % (uint)_turns.Length];

    private async ValueTask<QueueResult> GuardAsync(Func<QueueResult> call)
    {
        try
        {
            return await _threads.RunAsync(call);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            return QueueResult.Error(exception.Message);
        }
    }

    private SafeFileHandle CreateBody(MessageId message)
    {
        SpoolTree.MakeDirectory(_tree.IncomingDirectory(message));
        return SpoolTree.Create(Path.Combine(_tree.IncomingDirectory(message), SpoolTree.BodyName));
    }

    private QueueResult CommitNew(MessageId message, Incoming incoming)
    {
        string final = _tree.MessageDirectory(message);
        bool moved = false;
        try
        {
            if (incoming.Error is not null)
                throw new IOException(incoming.Error);
            if (incoming.Envelopes.Count == 0)
            {
                Discard(message, incoming);
                return QueueResult.Ok;
            }

            incoming.File ??= CreateBody(message);
            SpoolTree.Check(FileDescriptor.Sync(incoming.File), final);
            incoming.File.Dispose();
            string directory = _tree.IncomingDirectory(message);
            foreach (StoredEnvelope envelope in incoming.Envelopes)
                SpoolTree.WriteSynced(Path.Combine(directory, SpoolTree.NameOf(envelope.Id)), envelope.Json.Span);
            SpoolTree.Check(FileDescriptor.SyncDirectory(directory), directory);
            string parent = _tree.MakeParent(message);
            Directory.Move(directory, final);
            moved = true;
            SpoolTree.Check(FileDescriptor.SyncDirectory(parent), parent);
            return QueueResult.Ok;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            if (moved)
                Remove(final);
            Discard(message, incoming);
            return QueueResult.Error(exception.Message);
        }
    }

    private QueueResult CommitAdded(MessageId message, Incoming incoming)
    {
        lock (Turn(message))
        {
            if (!Directory.Exists(_tree.MessageDirectory(message)))
                return QueueResult.NotFound;
            _tree.AddEnvelopes(message, incoming.Envelopes);
            return QueueResult.Ok;
        }
    }

    private void Discard(MessageId message, Incoming incoming)
    {
        if (!incoming.IsNew)
            return;
        bool written = incoming.File is not null;
        incoming.File?.Dispose();
        if (written)
            Remove(_tree.IncomingDirectory(message));
    }

    private void Remove(string directory)
    {
        try
        {
            Directory.Delete(directory, recursive: true);
        }
        catch (DirectoryNotFoundException)
        {
            // Somebody was faster.
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            QueueingLog.RemoveFailed(_logger, directory, exception.Message);
        }
    }

    // One directory that cannot be read does not hide the others.
    private List<MessageId> List(uint first)
    {
        try
        {
            return _tree.MessagesIn(first);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            QueueingLog.Unreadable(_logger, _tree.Parent(new(first << 24)), exception.Message);
            return [];
        }
    }

    // False if the message has no envelope at all.
    private bool Collect(MessageId message, EnvelopeId after, int max, List<StoredEnvelope> found)
    {
        List<EnvelopeId> ids;
        try
        {
            ids = _tree.EnvelopesOf(message);
        }
        catch (DirectoryNotFoundException)
        {
            return true;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            QueueingLog.Unreadable(_logger, _tree.MessageDirectory(message), exception.Message);
            return true;
        }

        foreach (EnvelopeId id in ids)
        {
            if (id.Value > after.Value && found.Count < max && Read(id) is { } json)
                found.Add(new(id, json));
        }

        return ids.Count > 0;
    }

    private byte[]? Read(EnvelopeId id)
    {
        string file = _tree.EnvelopeFile(id);
        try
        {
            return File.ReadAllBytes(file);
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // No JSON at all: whoever parses it names it as damaged.
            QueueingLog.Unreadable(_logger, file, exception.Message);
            return [];
        }
    }

    private void RemoveOrphan(MessageId message)
    {
        lock (Turn(message))
        {
            if (Directory.Exists(_tree.MessageDirectory(message)) && RemoveUnlessUsed(message))
                QueueingLog.Orphan(_logger, message);
        }
    }

    // Called in the message's turn. Envelopes waiting for their commit keep their message alive.
    private bool RemoveUnlessUsed(MessageId message)
    {
        if (_tree.EnvelopesOf(message).Count > 0 || _incoming.ContainsKey(message))
        {
            _syncs.Add(_tree.MessageDirectory(message));
            return false;
        }

        Remove(_tree.MessageDirectory(message));
        _syncs.Add(_tree.Parent(message));
        return true;
    }
}

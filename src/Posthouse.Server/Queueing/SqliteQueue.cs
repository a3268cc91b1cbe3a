using System.Collections.Concurrent;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging;
using Posthouse.Plugs;

namespace Posthouse.Server.Queueing;

/// <summary>
/// The <c>sqlite</c> store: everything in one database, <c>queue.db</c>, that any SQLite tool can read. Write-ahead log, synced at each commit;
/// concurrent commits share a transaction. A body stands in rows of 256 KiB; those of a message larger than that are written before its
/// commit, and those that a crash leaves behind are deleted at the next start.
/// </summary>
public sealed class SqliteQueue : IQueue
{
    /// <summary>Bytes of a body in one row; every row of a message but the last has exactly so many.</summary>
    internal const int ChunkSize = 256 * 1024;

    private const int Readers = 4;
    private readonly SqliteWriter _writer;
    private readonly ConcurrentDictionary<MessageId, Incoming> _incoming = new();
    private readonly ConcurrentBag<SqliteReader> _readers = [];
    private readonly SemaphoreSlim _turns = new(Readers);
    private readonly string _connection;

    /// <summary>A message, or envelopes for one that exists, before the commit.</summary>
    private sealed class Incoming(bool isNew)
    {
        public readonly List<StoredEnvelope> Envelopes = [];
        public byte[] Tail = [];
        public int TailLength;
        public int Chunks;
        public string? Error;
        public bool RolledBack;

        public bool IsNew => isNew;
    }

    private SqliteQueue(string connection, SqliteWriter writer)
    {
        _connection = connection;
        _writer = writer;
    }

    /// <summary>Opens the store in <paramref name="directory"/>, which is made if it is not there, and clears up after a crash.</summary>
    /// <exception cref="IOException">The directory cannot be made, or the database cannot be opened or read.</exception>
    public static SqliteQueue Open(string directory, ILogger logger)
    {
        SpoolTree.MakeDirectory(directory);
        string connection = new SqliteConnectionStringBuilder { DataSource = Path.Combine(directory, "queue.db"), Pooling = false }.ToString();
        try
        {
            return new SqliteQueue(connection, new SqliteWriter(connection, logger));
        }
        catch (SqliteException exception)
        {
            throw new IOException($"{directory}/queue.db: {exception.Message}", exception);
        }
    }

    /// <inheritdoc/>
    public async ValueTask<QueueResult> CreateMessageAsync(MessageId message, CancellationToken cancellation = default)
    {
        if (!_incoming.TryAdd(message, new Incoming(isNew: true)))
            return QueueResult.Exists;
        bool exists = false;
        QueueResult result = await ReadAsync(reader => exists = reader.Exists(message), cancellation);
        if (result.IsOk && !exists)
            return result;
        _incoming.TryRemove(message, out _);
        return result.IsOk ? QueueResult.Exists : result;
    }

    /// <inheritdoc/>
    public async ValueTask WriteMessageAsync(MessageId message, ReadOnlyMemory<byte> chunk, CancellationToken cancellation = default)
    {
        if (!_incoming.TryGetValue(message, out Incoming? incoming) || !incoming.IsNew || incoming.RolledBack)
            return;
        while (!chunk.IsEmpty && incoming.Error is null)
        {
            int count = Math.Min(chunk.Length, ChunkSize - incoming.TailLength);
            if (incoming.TailLength + count > incoming.Tail.Length)
                Array.Resize(ref incoming.Tail, Math.Min(ChunkSize, Math.Max(incoming.TailLength + count, 2 * incoming.Tail.Length)));
            chunk.Span[..count].CopyTo(incoming.Tail.AsSpan(incoming.TailLength));
            incoming.TailLength += count;
            chunk = chunk[count..];
            if (incoming.TailLength == ChunkSize && !chunk.IsEmpty)
                await WriteTailAsync(message, incoming, cancellation);
        }
    }

    /// <inheritdoc/>
    public void CreateEnvelope(EnvelopeId envelope, ReadOnlyMemory<byte> json) =>
        _incoming.GetOrAdd(envelope.Message, static _ => new Incoming(isNew: false)).Envelopes.Add(new(envelope, json));

    /// <inheritdoc/>
    public async ValueTask<QueueResult> CommitAsync(MessageId message, CancellationToken cancellation = default)
    {
        if (!_incoming.TryGetValue(message, out Incoming? incoming) || incoming.RolledBack)
        {
            bool exists = false;
            QueueResult read = await ReadAsync(reader => exists = reader.Exists(message), cancellation);
            return read.IsOk && !exists ? QueueResult.NotFound : read;
        }

        if (incoming.IsNew && (incoming.Error is not null || incoming.Envelopes.Count == 0))
        {
            Rollback(message);
            return incoming.Error is null ? QueueResult.Ok : QueueResult.Error(incoming.Error);
        }

        QueueResult result = await _writer.RunAsync(statements => incoming.IsNew
            ? statements.AddMessage(message, incoming.Chunks, incoming.Tail.AsMemory(0, incoming.TailLength), incoming.Envelopes)
            : statements.AddEnvelopes(message, incoming.Envelopes));
        if (result.IsOk || !incoming.IsNew)
            _incoming.TryRemove(message, out _);
        else
            Rollback(message);
        return result;
    }

    /// <inheritdoc/>
    public void Rollback(MessageId message)
    {
        if (!_incoming.TryGetValue(message, out Incoming? incoming) || incoming.RolledBack)
            return;
        incoming.RolledBack = true;
        if (incoming.Chunks == 0)
            _incoming.TryRemove(message, out _);
        else
            _ = RemoveChunksAsync(message);
    }

    /// <inheritdoc/>
    public async ValueTask<QueueRead> ReadMessageAsync(MessageId message, long offset, Memory<byte> buffer, CancellationToken cancellation = default)
    {
        int? count = null;
        QueueResult result = await ReadAsync(reader => count = reader.Read(message, offset, buffer), cancellation);
        return new(result.IsOk && count is null ? QueueResult.NotFound : result, count ?? 0);
    }

    /// <inheritdoc/>
    public ValueTask<QueueResult> UpdateEnvelopeAsync(EnvelopeId envelope, ReadOnlyMemory<byte> json, CancellationToken cancellation = default) =>
        _writer.RunAsync(statements => statements.Update(envelope, json));

    /// <inheritdoc/>
    public ValueTask<QueueResult> DeleteEnvelopeAsync(EnvelopeId envelope, CancellationToken cancellation = default) =>
        _writer.RunAsync(statements => statements.Delete(envelope, keepMessage: _incoming.ContainsKey(envelope.Message)));

    /// <inheritdoc/>
    public async ValueTask<QueueWalk> WalkAsync(EnvelopeId after, int max, CancellationToken cancellation = default)
    {
        List<StoredEnvelope> found = [];
        QueueResult result = await ReadAsync(reader => reader.Walk(after, max, found), cancellation);
        return new(result, result.IsOk ? found : []);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _writer.DisposeAsync();
        while (_readers.TryTake(out SqliteReader? reader))
            reader.Dispose();
        _turns.Dispose();
    }

    private async ValueTask WriteTailAsync(MessageId message, Incoming incoming, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        QueueResult result = await _writer.RunAsync(statements => statements.AddChunk(message, incoming.Chunks, incoming.Tail.AsMemory(0, ChunkSize)));
        if (!result.IsOk)
            incoming.Error = result.Message ?? "the body cannot be written";
        incoming.Chunks++;
        incoming.TailLength = 0;
    }

    // The id stays taken until its rows are gone. What cannot be deleted now is at the next start.
    private async Task RemoveChunksAsync(MessageId message)
    {
        await _writer.RunAsync(statements => statements.RemoveChunks(message));
        _incoming.TryRemove(message, out _);
    }

    private async ValueTask<QueueResult> ReadAsync(Action<SqliteReader> call, CancellationToken cancellation)
    {
        await _turns.WaitAsync(cancellation);
        try
        {
            if (!_readers.TryTake(out SqliteReader? reader))
                reader = new SqliteReader(_connection);
            try
            {
                call(reader);
                _readers.Add(reader);
            }
            catch
            {
                reader.Dispose();
                throw;
            }

            return QueueResult.Ok;
        }
        catch (SqliteException exception)
        {
            return QueueResult.Error(exception.Message);
        }
        finally
        {
            _turns.Release();
        }
    }
}

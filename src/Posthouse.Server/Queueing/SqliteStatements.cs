using System.Runtime.InteropServices;
using Microsoft.Data.Sqlite;
using Posthouse.Plugs;

namespace Posthouse.Server.Queueing;

/// <summary>The prepared statements that change a <see cref="SqliteQueue"/>. Each method runs inside a transaction of the caller.</summary>
internal sealed class SqliteStatements(SqliteConnection connection) : IDisposable
{
    private readonly SqliteStatement _begin = new(connection, "BEGIN IMMEDIATE", 0);
    private readonly SqliteStatement _commit = new(connection, "COMMIT", 0);
    private readonly SqliteStatement _rollback = new(connection, "ROLLBACK", 0);
    private readonly SqliteStatement _addMessage = new(connection, "INSERT INTO messages(id) VALUES ($1)", 1);
    private readonly SqliteStatement _addChunk = new(connection, "INSERT INTO bodies(message, chunk, data) VALUES ($1, $2, $3)", 3);
    private readonly SqliteStatement _addEnvelope = new(connection, "INSERT OR REPLACE INTO envelopes(message, envelope, json) VALUES ($1, $2, $3)", 3);
    private readonly SqliteStatement _update = new(connection, "UPDATE envelopes SET json = $3 WHERE message = $1 AND envelope = $2", 3);
    private readonly SqliteStatement _delete = new(connection, "DELETE FROM envelopes WHERE message = $1 AND envelope = $2", 2);
    private readonly SqliteStatement _hasMessage = new(connection, "SELECT 1 FROM messages WHERE id = $1", 1);
    private readonly SqliteStatement _hasEnvelope = new(connection, "SELECT 1 FROM envelopes WHERE message = $1 LIMIT 1", 1);
    private readonly SqliteStatement _deleteMessage = new(connection, "DELETE FROM messages WHERE id = $1", 1);
    private readonly SqliteStatement _deleteBody = new(connection, "DELETE FROM bodies WHERE message = $1", 1);

    public void Begin() => _begin.Execute();

    public void Commit() => _commit.Execute();

    public void Rollback()
    {
        // Some failures have ended the transaction already.
        if (SQLitePCL.raw.sqlite3_get_autocommit(connection.Handle) == 0)
            _rollback.Execute();
    }

    public QueueResult AddMessage(MessageId message, int chunks, ReadOnlyMemory<byte> tail, List<StoredEnvelope> envelopes)
    {
        _addMessage.Execute((long)message.Value);
        if (!tail.IsEmpty)
            AddChunk(message, chunks, tail);
        return Add(envelopes);
    }

    public QueueResult AddEnvelopes(MessageId message, List<StoredEnvelope> envelopes) =>
        _hasMessage.Finds((long)message.Value) ? Add(envelopes) : QueueResult.NotFound;

    public QueueResult AddChunk(MessageId message, int chunk, ReadOnlyMemory<byte> data)
    {
        _addChunk.Execute((long)message.Value, (long)chunk, Whole(data));
        return QueueResult.Ok;
    }

    public QueueResult RemoveChunks(MessageId message)
    {
        _deleteBody.Execute((long)message.Value);
        return QueueResult.Ok;
    }

    public QueueResult Update(EnvelopeId envelope, ReadOnlyMemory<byte> json) =>
        _update.Execute((long)envelope.Message.Value, Low(envelope), Whole(json)) > 0 ? QueueResult.Ok : QueueResult.NotFound;

    public QueueResult Delete(EnvelopeId envelope, bool keepMessage)
    {
        long message = envelope.Message.Value;
        if (_delete.Execute(message, Low(envelope)) == 0)
            return QueueResult.NotFound;
        if (!keepMessage && !_hasEnvelope.Finds(message))
        {
            _deleteMessage.Execute(message);
            _deleteBody.Execute(message);
        }

        return QueueResult.Ok;
    }

    public void Dispose()
    {
        foreach (SqliteStatement statement in (SqliteStatement[])[_begin, _commit, _rollback, _addMessage, _addChunk, _addEnvelope, _update, _delete, _hasMessage, _hasEnvelope, _deleteMessage, _deleteBody])
            statement.Dispose();
    }

    private static long Low(EnvelopeId envelope) => (uint)envelope.Value;

    private QueueResult Add(List<StoredEnvelope> envelopes)
    {
        foreach (StoredEnvelope envelope in envelopes)
            _addEnvelope.Execute((long)envelope.Id.Message.Value, Low(envelope.Id), Whole(envelope.Json));
        return QueueResult.Ok;
    }

    private static byte[] Whole(ReadOnlyMemory<byte> bytes) =>
        MemoryMarshal.TryGetArray(bytes, out ArraySegment<byte> segment) && segment.Array!.Length == bytes.Length ? segment.Array : bytes.ToArray();
}

using Microsoft.Data.Sqlite;
using Posthouse.Plugs;

namespace Posthouse.Server.Queueing;

/// <summary>A connection that reads a <see cref="SqliteQueue"/>, for one caller at a time.</summary>
internal sealed class SqliteReader : IDisposable
{
    private readonly SqliteConnection _connection;
    private readonly SqliteStatement _exists;
    private readonly SqliteStatement _read;
    private readonly SqliteStatement _walk;

    public SqliteReader(string connection)
    {
        _connection = new SqliteConnection(connection);
        try
        {
            _connection.Open();
            _exists = new(_connection, "SELECT 1 FROM messages WHERE id = $1", 1);
            _read = new(_connection, "SELECT substr(data, $3, $4) FROM bodies WHERE message = $1 AND chunk = $2", 4);
            _walk = new(_connection, "SELECT message, envelope, json FROM envelopes WHERE (message, envelope) > ($1, $2) ORDER BY message, envelope LIMIT $3", 3);
        }
        catch
        {
            _connection.Dispose();
            throw;
        }
    }

    public bool Exists(MessageId message) => _exists.Finds((long)message.Value);

    /// <summary>Bytes read, 0 at the end; null if there is no such message.</summary>
    public int? Read(MessageId message, long offset, Memory<byte> buffer)
    {
        if (!Exists(message))
            return null;
        (long chunk, long start) = Math.DivRem(offset, SqliteQueue.ChunkSize);
        using SqliteDataReader rows = _read.Query((long)message.Value, chunk, start + 1, (long)buffer.Length);
        if (!rows.Read())
            return 0;
        byte[] data = rows.GetFieldValue<byte[]>(0);
        data.CopyTo(buffer.Span);
        return data.Length;
    }

    public void Walk(EnvelopeId after, int max, List<StoredEnvelope> found)
    {
        using SqliteDataReader rows = _walk.Query((long)after.Message.Value, (long)(uint)after.Value, (long)max);
        while (rows.Read())
            found.Add(new(new((ulong)rows.GetInt64(0) << 32 | (uint)rows.GetInt64(1)), rows.GetFieldValue<byte[]>(2)));
    }

    public void Dispose()
    {
        _exists.Dispose();
        _read.Dispose();
        _walk.Dispose();
        _connection.Dispose();
    }
}

using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging.Abstractions;
using Posthouse.Plugs;
using Posthouse.Plugs.Testing;
using Posthouse.Server.Queueing;

namespace Posthouse.Tests.Queueing;

public sealed class SqliteQueueContractTests() : QueueContractTests(QueueTraits.Durable), IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    protected override Task<IQueue> OpenAsync() => Task.FromResult<IQueue>(SqliteQueue.Open(_directory.Path, NullLogger.Instance));
}

public sealed class SqliteQueueTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task A_copy_taken_while_it_is_written_has_all_that_was_acknowledged()
    {
        string copy = Path.Combine(_directory.Path, "copy");
        Directory.CreateDirectory(copy);
        MessageId message = MessageId.Draw();
        MessageId unfinished = MessageId.Draw();
        await using (SqliteQueue queue = SqliteQueue.Open(_directory.Path, NullLogger.Instance))
        {
            await PutAsync(queue, message, 1_000_000);
            await queue.CreateMessageAsync(unfinished, TestContext.Current.CancellationToken);
            await queue.WriteMessageAsync(unfinished, new byte[1_000_000], TestContext.Current.CancellationToken);
            // Nobody writes at this moment, so the copy is what a kill would leave. The last page of the log is torn, as of a transaction that never ended.
            File.Copy(Path.Combine(_directory.Path, "queue.db"), Path.Combine(copy, "queue.db"));
            File.Copy(Path.Combine(_directory.Path, "queue.db-wal"), Path.Combine(copy, "queue.db-wal"));
            using FileStream log = File.Open(Path.Combine(copy, "queue.db-wal"), FileMode.Append);
            log.Write(new byte[4096 + 11]);
        }

        await using SqliteQueue again = SqliteQueue.Open(copy, NullLogger.Instance);
        StoredEnvelope stored = Assert.Single((await again.WalkAsync(default, 10, TestContext.Current.CancellationToken)).Envelopes);
        Assert.Equal(message, stored.Id.Message);
        QueueRead read = await again.ReadMessageAsync(message, 999_990, new byte[100], TestContext.Current.CancellationToken);
        Assert.Equal((QueueStatus.Ok, 10), (read.Result.Status, read.Count));
        using SqliteConnection connection = new($"Data Source={Path.Combine(copy, "queue.db")};Pooling=false");
        connection.Open();
        using SqliteCommand command = connection.CreateCommand();
        command.CommandText = "SELECT count(*) FROM bodies";
        Assert.Equal(4L, command.ExecuteScalar());
    }

    [Fact]
    public async Task One_bad_write_fails_alone()
    {
        await using SqliteQueue queue = SqliteQueue.Open(_directory.Path, NullLogger.Instance);
        MessageId[] messages = [.. Enumerable.Range(0, 20).Select(_ => MessageId.Draw())];
        using (SqliteConnection connection = new($"Data Source={Path.Combine(_directory.Path, "queue.db")};Pooling=false"))
        {
            connection.Open();
            using SqliteCommand command = connection.CreateCommand();
            command.CommandText = $"CREATE TRIGGER no BEFORE INSERT ON messages WHEN new.id = {messages[7].Value} BEGIN SELECT RAISE(ABORT, 'not this one'); END";
            command.ExecuteNonQuery();
        }

        QueueResult[] results = await Task.WhenAll(messages.Select(message => Task.Run(() => CommitAsync(queue, message, 100))));
        Assert.Equal([7], Enumerable.Range(0, 20).Where(i => !results[i].IsOk));
        Assert.Contains("not this one", results[7].Message, StringComparison.Ordinal);
        Assert.Equal(19, (await queue.WalkAsync(default, 100, TestContext.Current.CancellationToken)).Envelopes.Count);
        Assert.True((await queue.CreateMessageAsync(messages[7], TestContext.Current.CancellationToken)).IsOk);
    }

    [Fact]
    public void What_is_no_database_is_refused()
    {
        File.WriteAllText(Path.Combine(_directory.Path, "queue.db"), new string('x', 5000));
        Assert.Throws<IOException>(() => SqliteQueue.Open(_directory.Path, NullLogger.Instance));
    }

    [Fact]
    public async Task A_newer_format_is_refused()
    {
        await SqliteQueue.Open(_directory.Path, NullLogger.Instance).DisposeAsync();
        using (SqliteConnection connection = new($"Data Source={Path.Combine(_directory.Path, "queue.db")};Pooling=false"))
        {
            connection.Open();
            using SqliteCommand command = connection.CreateCommand();
            command.CommandText = "PRAGMA user_version = 2";
            command.ExecuteNonQuery();
        }

        Assert.Contains("newer", Assert.Throws<IOException>(() => SqliteQueue.Open(_directory.Path, NullLogger.Instance)).Message, StringComparison.Ordinal);
    }

    private static async Task PutAsync(SqliteQueue queue, MessageId message, int length) => Assert.True((await CommitAsync(queue, message, length)).IsOk);

    private static async Task<QueueResult> CommitAsync(SqliteQueue queue, MessageId message, int length)
    {
        await queue.CreateMessageAsync(message);
        await queue.WriteMessageAsync(message, new byte[length]);
        queue.CreateEnvelope(EnvelopeId.Draw(message), "{}"u8.ToArray());
        return await queue.CommitAsync(message);
    }
}

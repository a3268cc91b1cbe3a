using System.Threading.Channels;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging;
using Posthouse.Plugs;

namespace Posthouse.Server.Queueing;

/// <summary>
/// The one connection that writes a <see cref="SqliteQueue"/>. What callers want at the same time goes into one transaction, so that they share its
/// sync; when a transaction fails, each of them gets one of its own, and only those that fail again hear of it.
/// </summary>
internal sealed class SqliteWriter : IAsyncDisposable
{
    private const int Backlog = 1024;
    private const int Batch = 256;
    private const string Schema = """
        PRAGMA journal_mode = WAL;
        PRAGMA synchronous = FULL;
        PRAGMA journal_size_limit = 67108864;
        CREATE TABLE IF NOT EXISTS messages(id INTEGER PRIMARY KEY);
        CREATE TABLE IF NOT EXISTS bodies(message INTEGER, chunk INTEGER, data BLOB NOT NULL, PRIMARY KEY(message, chunk));
        CREATE TABLE IF NOT EXISTS envelopes(message INTEGER, envelope INTEGER, json BLOB NOT NULL, PRIMARY KEY(message, envelope)) WITHOUT ROWID;
        DELETE FROM messages WHERE id NOT IN (SELECT message FROM envelopes);
        DELETE FROM bodies WHERE message NOT IN (SELECT id FROM messages);
        PRAGMA user_version = 1;
        """;

    private readonly SqliteConnection _connection;
    private readonly SqliteStatements _statements;
    private readonly ILogger _logger;
    private readonly Channel<Request> _requests = Channel.CreateBounded<Request>(new BoundedChannelOptions(Backlog) { SingleReader = true });
    private readonly Task _writing;

    private sealed record Request(Func<SqliteStatements, QueueResult> Call)
    {
        public TaskCompletionSource<QueueResult> Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public QueueResult Result { get; set; }
    }

    /// <exception cref="SqliteException">The database cannot be opened, or is of a version that is not known.</exception>
    public SqliteWriter(string connection, ILogger logger)
    {
        _logger = logger;
        _connection = new SqliteConnection(connection);
        try
        {
            _connection.Open();
            CheckVersion();
            Execute(Schema);
            _statements = new SqliteStatements(_connection);
        }
        catch
        {
            _connection.Dispose();
            throw;
        }

        _writing = Task.Run(WriteAsync);
    }

    /// <summary>Runs <paramref name="call"/> inside a transaction; its answer comes when that is durable.</summary>
    public async ValueTask<QueueResult> RunAsync(Func<SqliteStatements, QueueResult> call)
    {
        Request request = new(call);
        try
        {
            await _requests.Writer.WriteAsync(request);
        }
        catch (ChannelClosedException)
        {
            return QueueResult.Error("the queue is closed");
        }

        return await request.Done.Task;
    }

    public async ValueTask DisposeAsync()
    {
        _requests.Writer.TryComplete();
        await _writing;
        _statements.Dispose();
        await _connection.DisposeAsync();
    }

    private void CheckVersion()
    {
        using SqliteCommand command = _connection.CreateCommand();
        command.CommandText = "PRAGMA user_version";
        long version = (long)command.ExecuteScalar()!;
        if (version > 1)
            throw new SqliteException($"its format is version {version}, made by a newer server", 1);
    }

    private void Execute(string sql)
    {
        using SqliteCommand command = _connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }

    private async Task WriteAsync()
    {
        List<Request> batch = [];
        while (await _requests.Reader.WaitToReadAsync())
        {
            while (batch.Count < Batch && _requests.Reader.TryRead(out Request? request))
                batch.Add(request);
            if (!TryRun(batch) && batch.Count > 1)
            {
                foreach (Request request in batch)
                    TryRun([request]);
            }

            foreach (Request request in batch)
                request.Done.SetResult(request.Result);
            batch.Clear();
        }
    }

    private bool TryRun(List<Request> batch)
    {
        try
        {
            _statements.Begin();
            foreach (Request request in batch)
                request.Result = request.Call(_statements);
            _statements.Commit();
            return true;
        }
        // Not only the database's exceptions: nobody else would hear if this task ended.
        catch (Exception exception)
        {
            QueueingLog.BatchFailed(_logger, batch.Count, exception.Message);
            _statements.Rollback();
            foreach (Request request in batch)
                request.Result = QueueResult.Error(exception.Message);
            return false;
        }
    }
}

using Microsoft.Data.Sqlite;
using Posthouse.Plugs;

namespace Posthouse.Server.Tables;

/// <summary>
/// A table in a database that makemap built. Names are looked up in the file; the services that match patterns load its
/// keys once. The file is opened again when it has been replaced, which is looked for at most once a second.
/// </summary>
public sealed class DatabaseTable : ITable
{
    private static readonly TimeSpan s_checkInterval = TimeSpan.FromSeconds(1);

    private readonly string _name;
    private readonly string _path;
    private readonly TableOptions _options;
    private readonly Lock _gate = new();
    private SqliteConnection? _connection;
    private SqliteCommand? _find;
    private TableContent? _content;
    private FileVersion _version;
    private long _checkedAt;

    /// <summary>A table whose file is opened when it is first asked.</summary>
    public DatabaseTable(string name, string path, TableOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        _name = name;
        _path = path;
        _options = options;
    }

    /// <inheritdoc/>
    public bool Supports(TableService service) => service != TableService.Auth;

    /// <inheritdoc/>
    public ValueTask<TableResult> CheckAsync(TableService service, string key, CancellationToken cancellation = default)
    {
        TableResult result = Ask(service, key);
        return new(result.IsFound ? TableResult.Found() : result);
    }

    /// <inheritdoc/>
    public ValueTask<TableResult> LookupAsync(TableService service, string key, CancellationToken cancellation = default) => new(Ask(service, key));

    /// <inheritdoc/>
    public ValueTask<TableResult> FetchAsync(TableService service, CancellationToken cancellation = default) => new(Ask(service, null));

    /// <inheritdoc/>
    public ValueTask<TableResult> UpdateAsync(CancellationToken cancellation = default)
    {
        lock (_gate)
        {
            try
            {
                Open();
                return new(TableResult.Found());
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException or SqliteException)
            {
                TablesLog.NotUpdated(_options.Logger, _name, error.Message);
                return new(TableResult.Error(error.Message));
            }
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            _find?.Dispose();
            _connection?.Dispose();
            (_find, _connection) = (null, null);
        }

        return ValueTask.CompletedTask;
    }

    private TableResult Ask(TableService service, string? key)
    {
        if (!Supports(service))
            return TableResult.Error($"cannot be used for {service} lookups");
        lock (_gate)
        {
            try
            {
                OpenIfReplaced();
                if (key is null)
                    return Content().Fetch();
                return service is TableService.Domain or TableService.NetAddr or TableService.MailAddr or TableService.Regex
                    ? Content().Lookup(service, key)
                    : Find(key);
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException or SqliteException)
            {
                TablesLog.LookupFailed(_options.Logger, _name, service.ToString(), error.Message);
                return TableResult.Error(error.Message);
            }
        }
    }

    private TableResult Find(string key)
    {
        _find!.Parameters[0].Value = key;
        using SqliteDataReader reader = _find.ExecuteReader();
        return !reader.Read() ? TableResult.NotFound : TableResult.Found(reader.IsDBNull(0) ? null : reader.GetString(0));
    }

    private TableContent Content()
    {
        if (_content is null)
        {
            IReadOnlyList<TableEntry> entries = TableDatabase.Dump(_path);
            _content = new TableContent(TableKind.Dynamic, entries, _options.SubAddressDelimiter, (entry, error) => TablesLog.EntryIgnored(_options.Logger, _name, _path, entry.Key, error));
        }

        return _content;
    }

    private void OpenIfReplaced()
    {
        if (_connection is not null)
        {
            if (_options.Time.GetElapsedTime(_checkedAt) < s_checkInterval)
                return;
            _checkedAt = _options.Time.GetTimestamp();
            if (!FileVersion.TryRead(_path, out FileVersion version) || version == _version)
                return;
        }

        try
        {
            Open();
        }
        catch (IOException error) when (_connection is not null)
        {
            TablesLog.NotUpdated(_options.Logger, _name, error.Message);
        }
    }

    private void Open()
    {
        _checkedAt = _options.Time.GetTimestamp();
        if (FileVersion.TryRead(_path, out FileVersion version))
            _version = version;
        SqliteConnection connection = TableDatabase.Open(_path);
        SqliteCommand find = connection.CreateCommand();
        find.CommandText = "SELECT value FROM entries WHERE key = $key";
        find.Parameters.Add("$key", SqliteType.Text);
        _find?.Dispose();
        _connection?.Dispose();
        (_connection, _find, _content) = (connection, find, null);
    }
}

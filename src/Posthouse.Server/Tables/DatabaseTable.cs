using Microsoft.Data.Sqlite;
using Posthouse.Plugs;

namespace Posthouse.Server.Tables;

/// <summary>
/// A table in a database that makemap built. Names are looked up in the file; the services that match patterns load its
/// keys once. The file is opened again when it has been replaced, which is looked for at most once a second and only while it is being used.
/// </summary>
public sealed class DatabaseTable : ITable
{
    private const long Never = long.MinValue;

    private static readonly TimeSpan s_checkInterval = TimeSpan.FromSeconds(1);

    private readonly string _name;
    private readonly string _path;
    private readonly TableOptions _options;
    private readonly Lock _gate = new();
    private readonly SemaphoreSlim _opening = new(1, 1);
    private SqliteConnection? _connection;
    private SqliteCommand? _find;
    private TableContent? _content;
    private FileVersion? _version;
    private string? _unreadable;
    private long _checkedAt = Never;
    private bool _disposed;

    /// <summary>A table whose file is opened when it is first asked.</summary>
    public DatabaseTable(string name, string path, TableOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        _name = name;
        _path = path;
        _options = options;
        _unreadable = $"{path} has not been opened";
    }

    /// <inheritdoc/>
    public bool Supports(TableService service) => service != TableService.Auth;

    /// <inheritdoc/>
    public async ValueTask<TableResult> CheckAsync(TableService service, string key, CancellationToken cancellation = default)
    {
        TableResult result = await AskAsync(service, key, cancellation);
        return result.IsFound ? TableResult.Found() : result;
    }

    /// <inheritdoc/>
    public ValueTask<TableResult> LookupAsync(TableService service, string key, CancellationToken cancellation = default) => AskAsync(service, key, cancellation);

    /// <inheritdoc/>
    public ValueTask<TableResult> FetchAsync(TableService service, CancellationToken cancellation = default) => AskAsync(service, null, cancellation);

    /// <inheritdoc/>
    public async ValueTask<TableResult> UpdateAsync(CancellationToken cancellation = default)
    {
        await _opening.WaitAsync(cancellation);
        try
        {
            return await OpenAsync(null, cancellation);
        }
        finally
        {
            _opening.Release();
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync()
    {
        lock (_gate)
        {
            _disposed = true;
            Close();
        }

        return ValueTask.CompletedTask;
    }

    private ValueTask<TableResult> AskAsync(TableService service, string? key, CancellationToken cancellation)
    {
        if (!Supports(service))
            return new(TableResult.Error($"cannot be used for {service} lookups"));
        bool isOpen = Volatile.Read(ref _connection) is not null;
        return isOpen && !IsDue() ? new(Ask(service, key)) : AskLaterAsync(service, key, isOpen, cancellation);
    }

    private async ValueTask<TableResult> AskLaterAsync(TableService service, string? key, bool isOpen, CancellationToken cancellation)
    {
        // Whoever comes while it is being opened again gets the old one; without an old one everybody waits.
        if (isOpen ? _opening.Wait(0, CancellationToken.None) : await _opening.WaitAsync(Timeout.Infinite, cancellation))
        {
            try
            {
                if (IsDue())
                    await OpenAsync(isOpen ? _version : null, cancellation);
            }
            finally
            {
                _opening.Release();
            }
        }

        return Ask(service, key);
    }

    private bool IsDue() => Volatile.Read(ref _checkedAt) is var checkedAt && (checkedAt == Never || _options.Time.GetElapsedTime(checkedAt) >= s_checkInterval);

    private TableResult Ask(TableService service, string? key)
    {
        lock (_gate)
        {
            try
            {
                if (_connection is null)
                    return TableResult.Error(_unreadable ?? $"{_path} is closed");
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

    private TableContent Content() =>
        _content ??= new TableContent(TableKind.Dynamic, TableDatabase.Dump(_connection!, _path), _options.SubAddressDelimiter,
            (entry, error) => TablesLog.EntryIgnored(_options.Logger, _name, _path, entry.Key, error));

    private async ValueTask<TableResult> OpenAsync(FileVersion? unlessStill, CancellationToken cancellation)
    {
        Volatile.Write(ref _checkedAt, _options.Time.GetTimestamp());
        string failure;
        try
        {
            await using TableSourceFile? file = await _options.Files.OpenAsync(_name, _path, unlessStill, cancellation);
            if (file is not null)
            {
                // One that is no database is not opened again until it changes.
                _version = file.Version;
                await ReplaceAsync(file, cancellation);
            }

            _unreadable = null;
            return TableResult.Found();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or SqliteException)
        {
            failure = error.Message.StartsWith(_path, StringComparison.Ordinal) ? error.Message : $"{_path}: {error.Message}";
        }

        if (failure != Interlocked.Exchange(ref _unreadable, failure))
            TablesLog.NotUpdated(_options.Logger, _name, failure);
        return TableResult.Error(failure);
    }

    private async ValueTask ReplaceAsync(TableSourceFile file, CancellationToken cancellation)
    {
        SqliteConnection connection = _options.Scratch is null ? TableDatabase.Open(_path) : await CopyAsync(file, _options.Scratch, cancellation);
        SqliteCommand find = connection.CreateCommand();
        find.CommandText = "SELECT value FROM entries WHERE key = $key";
        find.Parameters.Add("$key", SqliteType.Text);
        lock (_gate)
        {
            Close();
            (_connection, _find) = (connection, find);
            if (_disposed)
                Close();
        }
    }

    private async ValueTask<SqliteConnection> CopyAsync(TableSourceFile file, string scratch, CancellationToken cancellation)
    {
        Directory.CreateDirectory(scratch, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        string copy = Path.Combine(scratch, $"{Guid.NewGuid():N}.db");
        try
        {
            await using (FileStream stream = new(copy, new FileStreamOptions
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.Write,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            }))
                await file.Content.CopyToAsync(stream, cancellation);
            return TableDatabase.Open(copy, _path);
        }
        finally
        {
            // Open, it needs no name; and what a killed server leaves behind has none either.
            File.Delete(copy);
        }
    }

    private void Close()
    {
        _find?.Dispose();
        _connection?.Dispose();
        (_find, _connection, _content) = (null, null, null);
    }
}

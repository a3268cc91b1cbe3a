using Posthouse.Plugs;

namespace Posthouse.Server.Tables;

/// <summary>
/// A table read from a file. It reads the file again when told to, and by itself when the file has been replaced or
/// changed, which it looks for at most once a second and only while it is being used. A file that cannot be read, or is malformed, changes nothing.
/// </summary>
public class FileTable : ContentTable
{
    private static readonly TimeSpan s_checkInterval = TimeSpan.FromSeconds(1);

    private readonly string _name;
    private readonly string _path;
    private readonly TableOptions _options;
    private readonly SemaphoreSlim _loading = new(1, 1);
    private TableContent _content;
    private FileVersion? _version;
    private string? _unreadable;
    private long _checkedAt;

    /// <summary>A table that answers Error until <see cref="UpdateAsync"/> has succeeded.</summary>
    public FileTable(string name, string path, TableOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        _name = name;
        _path = path;
        _options = options;
        _checkedAt = options.Time.GetTimestamp();
        _content = TableContent.Unavailable($"{path} has not been read");
    }

    /// <summary>Reads the file again; answers Error, with every line at fault, when the old content stays.</summary>
    public sealed override async ValueTask<TableResult> UpdateAsync(CancellationToken cancellation = default)
    {
        await _loading.WaitAsync(cancellation);
        try
        {
            return await LoadAsync(null, false, cancellation);
        }
        finally
        {
            _loading.Release();
        }
    }

    /// <inheritdoc/>
    public override ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        _loading.Dispose();
        return base.DisposeAsync();
    }

    /// <inheritdoc/>
    protected sealed override ValueTask<TableContent> ContentAsync(CancellationToken cancellation)
    {
        long checkedAt = Volatile.Read(ref _checkedAt);
        if (_options.Time.GetElapsedTime(checkedAt) < s_checkInterval
            || Interlocked.CompareExchange(ref _checkedAt, _options.Time.GetTimestamp(), checkedAt) != checkedAt)
            return new(Volatile.Read(ref _content));
        return ReloadAsync(cancellation);
    }

    /// <summary>Turns the file into content; throws <see cref="IOException"/>. <paramref name="errors"/> says what is malformed.</summary>
    protected virtual (TableKind Kind, IReadOnlyList<TableEntry> Entries) Parse(Stream stream, string path, out IReadOnlyList<TableFileError> errors)
    {
        TableFile file = TableFile.Read(stream, path);
        errors = file.Errors;
        return (file.Kind, file.Entries);
    }

    private async ValueTask<TableContent> ReloadAsync(CancellationToken cancellation)
    {
        // Whoever comes while it is being read gets the old content.
        if (!_loading.Wait(0, CancellationToken.None))
            return Volatile.Read(ref _content);
        try
        {
            await LoadAsync(_version, true, cancellation);
        }
        finally
        {
            _loading.Release();
        }

        return Volatile.Read(ref _content);
    }

    // Without a version to compare with, the file is read whatever it is.
    private async ValueTask<TableResult> LoadAsync(FileVersion? unlessStill, bool isAutomatic, CancellationToken cancellation)
    {
        string failure;
        try
        {
            await using TableSourceFile? file = await _options.Files.OpenAsync(_name, _path, unlessStill, cancellation);
            _unreadable = null;
            if (file is null)
                return TableResult.Found();
            // A bad file is not read again until it changes.
            _version = file.Version;
            (TableKind kind, IReadOnlyList<TableEntry> entries) = Parse(file.Content, _path, out IReadOnlyList<TableFileError> errors);
            if (errors.Count == 0)
            {
                Volatile.Write(ref _content, new TableContent(kind, entries, _options.SubAddressDelimiter, Ignored));
                TablesLog.Loaded(_options.Logger, _name, entries.Count, _path);
                return TableResult.Found();
            }

            failure = string.Join("; ", errors.Take(10));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            failure = error.Message.StartsWith(_path, StringComparison.Ordinal) ? error.Message : $"{_path}: {error.Message}";
            // Told once, and not each second.
            if (failure == Interlocked.Exchange(ref _unreadable, failure) && isAutomatic)
                return TableResult.Error(failure);
        }

        TablesLog.NotUpdated(_options.Logger, _name, failure);
        return TableResult.Error(failure);
    }

    private void Ignored(TableEntry entry, string error) => TablesLog.EntryIgnored(_options.Logger, _name, $"{_path}:{entry.Line}", entry.Key, error);
}

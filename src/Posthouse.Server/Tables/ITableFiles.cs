namespace Posthouse.Server.Tables;

/// <summary>Opens the files that tables are kept in, for a process that may not open them itself. Thread-safe.</summary>
public interface ITableFiles
{
    /// <summary>
    /// Opens the file of a table for reading. Null when it is still the version <paramref name="unlessStill"/>, which is cheap to ask; the caller disposes what
    /// it gets. <paramref name="path"/> is where the configuration says that it is; another process that opens it goes by the table's name.
    /// </summary>
    /// <exception cref="IOException">It cannot be opened; the message says why.</exception>
    /// <exception cref="UnauthorizedAccessException">It may not be read.</exception>
    ValueTask<TableSourceFile?> OpenAsync(string table, string path, FileVersion? unlessStill, CancellationToken cancellation);
}

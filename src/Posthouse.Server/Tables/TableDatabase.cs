using Microsoft.Data.Sqlite;

namespace Posthouse.Server.Tables;

/// <summary>
/// The file behind a <c>db:</c> table: an SQLite database that makemap builds from a text file. It is written beside its
/// place, synced and renamed, so that a reader has the old one or the new one, never half of it.
/// </summary>
public static class TableDatabase
{
    /// <summary>Marks the file as ours (PRAGMA application_id).</summary>
    internal const int ApplicationId = 0x50486d70;

    /// <summary>Builds <paramref name="path"/> from parsed entries. The file keeps the mode of the one it replaces, or gets 0644.</summary>
    /// <returns>What is wrong, duplicate keys included; empty when the database has been written.</returns>
    /// <exception cref="IOException">It cannot be written.</exception>
    public static IReadOnlyList<TableFileError> Build(TableSourceText source, string path)
    {
        ArgumentNullException.ThrowIfNull(source);
        if (source.Errors.Count > 0)
            return source.Errors;
        string temporary = $"{path}.{Guid.NewGuid():N}.tmp";
        try
        {
            Write(source, temporary);
            UnixFileMode mode = File.Exists(path)
                ? File.GetUnixFileMode(path)
                : UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
            File.SetUnixFileMode(temporary, mode);
            using (FileStream file = new(temporary, FileMode.Open, FileAccess.ReadWrite))
                file.Flush(flushToDisk: true);
            File.Move(temporary, path, overwrite: true);
            return [];
        }
        catch (SqliteException error)
        {
            throw new IOException($"{path}: {error.Message}", error);
        }
        finally
        {
            File.Delete(temporary);
        }
    }

    /// <summary>All entries of a database, sorted by key (<c>makemap -U</c>).</summary>
    /// <exception cref="IOException">It is not a database that <see cref="Build"/> made, or cannot be read.</exception>
    public static IReadOnlyList<TableEntry> Dump(string path)
    {
        using SqliteConnection connection = Open(path);
        return Dump(connection, path);
    }

    /// <summary>All entries of an open database; <paramref name="path"/> is for the errors.</summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    internal static IReadOnlyList<TableEntry> Dump(SqliteConnection connection, string path)
    {
        try
        {
            using SqliteCommand command = connection.CreateCommand();
            command.CommandText = "SELECT key, value FROM entries ORDER BY key";
            using SqliteDataReader reader = command.ExecuteReader();
            List<TableEntry> entries = [];
            while (reader.Read())
                entries.Add(new(reader.GetString(0), reader.IsDBNull(1) ? null : reader.GetString(1)));
            return entries;
        }
        catch (SqliteException error)
        {
            throw new IOException($"{path}: {error.Message}", error);
        }
    }

    /// <summary>Opens a database for reading. It never changes in place, so neither locks nor a journal are needed. Errors name <paramref name="source"/> where it is a copy of that.</summary>
    /// <exception cref="IOException">It is not there, or not one of ours.</exception>
    internal static SqliteConnection Open(string path, string? source = null)
    {
        source ??= path;
        if (!File.Exists(path))
            throw new FileNotFoundException($"{source}: no such file", source);
        string uri = "file:" + Uri.EscapeDataString(path).Replace("%2F", "/", StringComparison.Ordinal) + "?immutable=1";
        SqliteConnection connection = new(new SqliteConnectionStringBuilder { DataSource = uri, Mode = SqliteOpenMode.ReadOnly, Pooling = false }.ToString());
        try
        {
            connection.Open();
            using SqliteCommand command = connection.CreateCommand();
            command.CommandText = "PRAGMA application_id";
            if (command.ExecuteScalar() is not (long)ApplicationId)
                throw new IOException($"{source}: not a database made by makemap; build it again");
            return connection;
        }
        catch (SqliteException error)
        {
            connection.Dispose();
            throw new IOException($"{source}: not a database made by makemap ({error.Message}); build it again", error);
        }
        catch (IOException)
        {
            connection.Dispose();
            throw;
        }
    }

    private static void Write(TableSourceText source, string path)
    {
        using SqliteConnection connection = new(new SqliteConnectionStringBuilder { DataSource = path, Pooling = false }.ToString());
        connection.Open();
        using SqliteCommand prepare = connection.CreateCommand();
        prepare.CommandText = $"""
            PRAGMA journal_mode = OFF;
            PRAGMA synchronous = OFF;
            PRAGMA application_id = {ApplicationId};
            PRAGMA user_version = 1;
            CREATE TABLE entries (key TEXT NOT NULL COLLATE NOCASE PRIMARY KEY, value TEXT) WITHOUT ROWID;
            """;
        prepare.ExecuteNonQuery();
        using SqliteTransaction transaction = connection.BeginTransaction();
        using SqliteCommand insert = connection.CreateCommand();
        insert.Transaction = transaction;
        insert.CommandText = "INSERT INTO entries VALUES ($key, $value)";
        SqliteParameter key = insert.Parameters.Add("$key", SqliteType.Text);
        SqliteParameter value = insert.Parameters.Add("$value", SqliteType.Text);
        foreach (TableEntry entry in source.Entries)
        {
            key.Value = entry.Key;
            value.Value = entry.Value ?? (object)DBNull.Value;
            insert.ExecuteNonQuery();
        }

        transaction.Commit();
    }
}

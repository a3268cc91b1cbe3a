using Microsoft.Data.Sqlite;

namespace Posthouse.Server.Queueing;

/// <summary>A prepared statement with parameters $1, $2, ….</summary>
internal sealed class SqliteStatement : IDisposable
{
    private readonly SqliteCommand _command;

    public SqliteStatement(SqliteConnection connection, string sql, int parameters)
    {
        _command = connection.CreateCommand();
        _command.CommandText = sql;
        for (int i = 1; i <= parameters; i++)
            _command.Parameters.Add(new SqliteParameter { ParameterName = $"${i}" });
        _command.Prepare();
    }

    /// <summary>Runs it and answers how many rows it changed.</summary>
    public int Execute(params ReadOnlySpan<object> values)
    {
        Bind(values);
        return _command.ExecuteNonQuery();
    }

    /// <summary>Whether it gives a row.</summary>
    public bool Finds(params ReadOnlySpan<object> values)
    {
        using SqliteDataReader reader = Query(values);
        return reader.Read();
    }

    /// <summary>Its rows.</summary>
    public SqliteDataReader Query(params ReadOnlySpan<object> values)
    {
        Bind(values);
        return _command.ExecuteReader();
    }

    public void Dispose() => _command.Dispose();

    private void Bind(ReadOnlySpan<object> values)
    {
        for (int i = 0; i < values.Length; i++)
            _command.Parameters[i].Value = values[i];
    }
}

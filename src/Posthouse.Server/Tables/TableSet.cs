using Posthouse.Plugs;

namespace Posthouse.Server.Tables;

/// <summary>The tables of one configuration, open. Ask by definition; a name is for the administrator's <c>update table</c>.</summary>
public sealed class TableSet : IAsyncDisposable
{
    private readonly Dictionary<string, ITable> _tables = new(StringComparer.Ordinal);

    private TableSet()
    {
    }

    /// <summary>What went wrong while opening: one line, with the table's place in the configuration, for each table whose file could not be loaded. Such a table answers Error until it can.</summary>
    public IReadOnlyList<string> Failures { get; private set; } = [];

    /// <summary>The table of a definition; one that was not among those opened answers Error.</summary>
    public ITable this[TableDefinition definition]
    {
        get
        {
            ArgumentNullException.ThrowIfNull(definition);
            return _tables.TryGetValue(definition.Name, out ITable? table) ? table : new UnavailableTable($"there is no table {definition.Name}");
        }
    }

    /// <summary>Opens tables, the built-in ones always among them, and loads their files.</summary>
    public static async ValueTask<TableSet> OpenAsync(IEnumerable<TableDefinition> definitions, TableOptions options, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(definitions);
        ArgumentNullException.ThrowIfNull(options);
        TableSet set = new();
        List<string> failures = [];
        foreach (TableDefinition definition in TableDefinition.BuiltIn.Concat(definitions))
        {
            if (set._tables.ContainsKey(definition.Name))
                continue;
            ITable table = Create(definition, options);
            set._tables.Add(definition.Name, table);
            // Databases too: whether the file is any good should be known now, not with the first mail.
            if (table is FileTable or PasswdTable or DatabaseTable && await table.UpdateAsync(cancellation) is { Status: TableStatus.Error } result)
                failures.Add($"{(definition.Position.Length > 0 ? $"{definition.Position}: " : "")}table {definition.Name}: {result.Value}");
        }

        set.Failures = failures;
        return set;
    }

    /// <summary>Whether there is a table of that name; an anonymous one is <c>&lt;dynamic:N&gt;</c>.</summary>
    public bool Contains(string name) => _tables.ContainsKey(name);

    /// <summary>Reads a table's source again (<c>update table NAME</c>); NotFound when there is no such table, Error when the old content stays.</summary>
    public ValueTask<TableResult> UpdateAsync(string name, CancellationToken cancellation = default) =>
        _tables.TryGetValue(name, out ITable? table) ? table.UpdateAsync(cancellation) : new(TableResult.NotFound);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (ITable table in _tables.Values)
            await table.DisposeAsync();
    }

    private static ITable Create(TableDefinition definition, TableOptions options) => definition.Source switch
    {
        TableSource.Inline => new StaticTable(new TableContent(definition.Kind, definition.Entries, options.SubAddressDelimiter,
            (entry, error) => TablesLog.EntryIgnored(options.Logger, definition.Name, definition.Position, entry.Key, error))),
        TableSource.File => new FileTable(definition.Name, definition.Path!, options),
        TableSource.Database => new DatabaseTable(definition.Name, definition.Path!, options),
        TableSource.Passwd => new PasswdTable(definition.Name, definition.Path!, options),
        TableSource.SystemUsers => new SystemUsersTable(options),
        TableSource.LocalHost or TableSource.AnyHost or TableSource.LocalNames or TableSource.AnyDestination =>
            new StaticTable(BuiltInTables.Content(definition.Source, options)),
        _ => new UnavailableTable($"table {definition.Name}: tables kept by programs are not supported"),
    };
}

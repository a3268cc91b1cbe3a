namespace Posthouse.Server.Tables;

/// <summary>A text file as makemap and newaliases take it: unlike a table that the server reads itself, a key twice is an error, and aliases must be well formed.</summary>
public sealed class TableSourceText
{
    private TableSourceText(IReadOnlyList<TableEntry> entries, IReadOnlyList<TableFileError> errors)
    {
        Entries = errors.Count == 0 ? entries : [];
        Errors = errors;
    }

    /// <summary>The entries in file order; empty when there are errors.</summary>
    public IReadOnlyList<TableEntry> Entries { get; }

    /// <summary>Everything wrong with the file.</summary>
    public IReadOnlyList<TableFileError> Errors { get; }

    /// <summary>Reads and checks a file; one that cannot be read is an error like any other.</summary>
    public static TableSourceText Read(string path, TableSourceType type) => Check(TableFile.Read(path, KindOf(type)), path, type);

    /// <summary>Checks a file's content; <paramref name="path"/> is for the errors.</summary>
    public static TableSourceText Parse(ReadOnlySpan<byte> content, string path, TableSourceType type) => Check(TableFile.Parse(content, path, KindOf(type)), path, type);

    private static TableKind KindOf(TableSourceType type) => type == TableSourceType.Set ? TableKind.List : TableKind.Mapping;

    private static TableSourceText Check(TableFile file, string path, TableSourceType type)
    {
        List<TableFileError> errors = [.. file.Errors];
        HashSet<string> keys = new(file.Entries.Count, StringComparer.OrdinalIgnoreCase);
        foreach (TableEntry entry in file.Entries)
        {
            if (!keys.Add(entry.Key))
                errors.Add(new(path, entry.Line, 1, entry.Key, "each key once"));
            if (type == TableSourceType.Aliases && !ExpansionList.TryParse(entry.Value!, out _, out string error))
                errors.Add(new(path, entry.Line, 1, entry.Value!, error));
        }

        return new(file.Entries, errors);
    }
}

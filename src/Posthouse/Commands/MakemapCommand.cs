using System.Globalization;
using Posthouse.Server.Tables;

namespace Posthouse.Commands;

/// <summary><c>makemap</c>: builds the database of a <c>db:</c> table from a text file, or prints it again.</summary>
public static class MakemapCommand
{
    private const string Usage = "usage: makemap [-U] [-d hash|btree] [-o DATABASE] [-t aliases|set] FILE";

    /// <summary>Writes FILE.db, or what <c>-o</c> names; <c>-d</c> is taken for compatibility. Exit status 0 or 1.</summary>
    public static int Run(string[] args, Terminal? terminal = null)
    {
        terminal ??= Terminal.Process;
        ArgumentReader reader = new(args);
        TableSourceType type = TableSourceType.Mapping;
        string? output = null;
        bool dumps = false;
        while (reader.NextOption() is { } option)
        {
            switch (option)
            {
                case "-U":
                    dumps = true;
                    break;
                case "-d" when reader.Value() is "hash" or "btree" or "dbm":
                    break;
                case "-o" when reader.Value() is { Length: > 0 } value:
                    output = value;
                    break;
                case "-t" when reader.Value() is ("aliases" or "set") and var value:
                    type = value == "set" ? TableSourceType.Set : TableSourceType.Aliases;
                    break;
                default:
                    return Misuse(terminal);
            }
        }
        if (reader.Rest is not [var file])
            return Misuse(terminal);
        try
        {
            return dumps ? Dump(file, terminal) : Build(file, output ?? $"{file}.db", type, terminal);
        }
        catch (IOException error)
        {
            terminal.Error.WriteLine($"makemap: {error.Message}");
            return 1;
        }
    }

    private static int Build(string file, string output, TableSourceType type, Terminal terminal)
    {
        TableSourceText source = TableSourceText.Read(file, type);
        IReadOnlyList<TableFileError> errors = TableDatabase.Build(source, output);
        foreach (TableFileError error in errors)
            terminal.Error.WriteLine($"makemap: {error}");
        if (errors.Count > 0)
            return 1;
        if (type == TableSourceType.Aliases)
            terminal.Output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{file}: {source.Entries.Count} aliases"));
        return 0;
    }

    private static int Dump(string file, Terminal terminal)
    {
        foreach (TableEntry entry in TableDatabase.Dump(file))
            terminal.Output.WriteLine(entry.Value is null ? entry.Key : $"{entry.Key}\t{entry.Value}");
        return 0;
    }

    private static int Misuse(Terminal terminal)
    {
        terminal.Error.WriteLine(Usage);
        return 1;
    }
}

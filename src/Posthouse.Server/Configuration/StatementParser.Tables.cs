using Posthouse.Plugs;
using Posthouse.Server.Model;
using Posthouse.Server.Tables;

namespace Posthouse.Server.Configuration;

/// <summary>The table statement, and tables as arguments of others.</summary>
internal sealed partial class StatementParser
{
    private readonly Dictionary<string, TableDefinition> _tables =
        TableDefinition.BuiltIn.ToDictionary(table => table.Name, StringComparer.Ordinal);

    // The entries of each table whose content is known, with their places, so that each use can check them.
    private readonly Dictionary<string, List<(string Key, string? Value, SourcePosition Position)>> _entries = new(StringComparer.Ordinal);
    private readonly HashSet<string> _usedTables = new(StringComparer.Ordinal);
    private int _anonymousTables;

    private void TableStatement(SourcePosition position)
    {
        Token nameToken = _token;
        string name = Name("a table name");
        TableDefinition table;
        if (_token.Kind == TokenKind.OpenBrace)
        {
            table = InlineTable(name, position);
        }
        else if (Accept("proc-exec"))
        {
            PlugCommand plug = PlugCommand(position, PlugOptions.Instances);
            table = new(name, TableKind.Dynamic, TableSource.Command)
            {
                Command = plug.Command,
                User = plug.User,
                Group = plug.Group,
                Chroot = plug.Chroot,
                Instances = plug.Instances,
                Timeout = plug.Timeout,
            };
        }
        else
        {
            Token source = _token;
            string text = Text("file:/path, db:/path, TYPE:/path, proc-exec or a list in braces");
            if (_failed)
                return;
            table = TableFrom(name, text, source.Position);
        }
        if (_failed)
            return;
        if (name.AsSpan().ContainsAny("|<>"))
            Error(nameToken.Position, $"table name {Quote(name)} is not usable: expected a name without | < >");
        else if (!_tables.TryAdd(name, table with { Position = position.ToString() }))
            Error(nameToken.Position, $"table {Quote(name)} is declared already at {_tables[name].Position}: expected another name");
    }

    private TableDefinition TableFrom(string name, string text, SourcePosition position)
    {
        int colon = text.IndexOf(':', StringComparison.Ordinal);
        string type = text.StartsWith('/') ? "file" : colon < 0 ? text : text[..colon];
        string? path = text.StartsWith('/') ? text : colon < 0 ? null : text[(colon + 1)..];
        var table = new TableDefinition(name, TableKind.Dynamic, TableSource.External) { Path = path };
        if (path is not null && !path.StartsWith('/'))
        {
            Error(position, $"table source {Quote(text)} has no absolute path: expected {type}:/path");
            return table;
        }
        switch (type)
        {
            case "file" or "static" when path is not null:
                return FileTable(table with { Source = TableSource.File }, path, position);
            case "db" when path is not null:
                if (!_environment.FileExists(path) && !_environment.FileExists(path + ".db"))
                    Warn(position, $"database {Quote(path)} does not exist: expected one made by makemap");
                return table with { Source = TableSource.Database };
            case "passwd" when path is not null:
                if (!_environment.FileExists(path))
                    Error(position, $"table file {Quote(path)} does not exist: expected one in the form of passwd(5)");
                return table with { Source = TableSource.Passwd };
            case "getpwnam" when path is null:
                return table with { Source = TableSource.SystemUsers };
            case "file" or "static" or "db" or "passwd":
                Error(position, $"table source {Quote(text)} has no path: expected {type}:/path");
                return table;
        }
        bool isName = type.Length > 0 && !type.Contains('/', StringComparison.Ordinal);
        if (!isName || _environment.FindProgram("table-" + type) is null)
            Error(position, $"unknown table type {Quote(type)}: expected file, static, db, passwd, or a type whose program {Quote("table-" + type)} is installed");
        return table with { ExternalType = type };
    }

    private TableDefinition FileTable(TableDefinition table, string path, SourcePosition position)
    {
        TableFile file = _environment.ReadTable(path);
        foreach (TableFileError error in file.Errors)
        {
            if (error.Line == 0)
                Error(position, $"table file {Quote(path)} {error.Expected}");
            else
                Error(new(error.Path, error.Line, error.Column), $"unexpected {Quote(error.Text)} in table {Quote(table.Name)}: expected {error.Expected}");
        }
        _entries[table.Name] = [.. file.Entries.Select(entry => (entry.Key, entry.Value, new SourcePosition(path, entry.Line)))];
        // An empty file may become anything, so it may stand anywhere.
        return table with { Kind = file.IsEmpty ? TableKind.Dynamic : file.Kind };
    }

    private TableDefinition InlineTable(string name, SourcePosition position)
    {
        SourcePosition open = _token.Position;
        Expect(TokenKind.OpenBrace, "a list in braces");
        var entries = new List<(string Key, string? Value, SourcePosition Position)>();
        while (!_failed)
        {
            while (Accept(TokenKind.EndOfLine) || Accept(TokenKind.Comma))
            {
            }
            if (_token.Kind == TokenKind.CloseBrace && entries.Count > 0)
                break;
            if (_token.Kind == TokenKind.EndOfFile || BeginsStatement(_token))
            {
                Fail($"\"}}\" after the list that begins at {open}");
                break;
            }
            Entry(name, entries);
        }
        Expect(TokenKind.CloseBrace, "\"}\"");
        _entries[name] = entries;
        return new(name, entries is [{ Value: not null }, ..] ? TableKind.Mapping : TableKind.List, TableSource.Inline)
        {
            Position = position.ToString(),
            Entries = [.. entries.Select(entry => new TableEntry(entry.Key, entry.Value, entry.Position.Line))],
        };
    }

    private void Entry(string table, List<(string Key, string? Value, SourcePosition Position)> entries)
    {
        Token key = _token;
        Text("an entry of the list", allowReserved: true);
        string? value = Accept(TokenKind.Equal) || Accept(TokenKind.Arrow) ? Text($"a value for {key.Describe()}", allowReserved: true) : null;
        if (_failed)
            return;
        if (entries.Count > 0 && entries[0].Value is null != value is null)
            Warn(key.Position, $"{key.Describe()} is ignored, because {Describe(table)} began as a {(value is null ? "mapping" : "list")}");
        else
            entries.Add((key.Text, value, key.Position));
    }

    private bool AtTableArgument => !_failed && (_token.Kind is TokenKind.Less or TokenKind.OpenBrace || (_token.IsText && !IsReserved(_token)));

    /// <summary>A table that must be there, of a kind that suits: <c>&lt;name&gt;</c>, text as a list of one, or a list in braces.</summary>
    private TableDefinition? TableArgument(string option, TableUse use, TableService service)
    {
        SourcePosition position = _token.Position;
        TableDefinition? table = null;
        if (Accept(TokenKind.Less))
        {
            Token name = _token;
            // Reserved words too: a table may be called <senders>.
            Text("the name of a table", allowReserved: true);
            Expect(TokenKind.Greater, "\">\"");
            if (!_failed && !_tables.TryGetValue(name.Text, out table) && !_tables.TryGetValue($"<{name.Text}>", out table))
                Error(name.Position, $"unknown table {Quote(name.Text)}: expected one declared before, or <localhost>, <anyhost>, <localnames>, <anydestination>, <getpwnam>");
        }
        else if (!_failed && _token.Kind == TokenKind.OpenBrace)
        {
            table = InlineTable($"<dynamic:{++_anonymousTables}>", position);
        }
        else
        {
            string text = Text($"a table for {Quote(option)}: <name>, text, or a list in braces");
            if (!_failed)
            {
                table = new($"<dynamic:{++_anonymousTables}>", TableKind.List, TableSource.Inline) { Position = position.ToString(), Entries = [new(text, null, position.Line)] };
                _entries[table.Name] = [(text, null, position)];
            }
        }
        if (_failed || table is null)
            return null;
        _tables.TryAdd(table.Name, table);
        if (_usedTables.Add(table.Name) && table.Source is TableSource.External or TableSource.Command)
            Unsupported(position, $"external table {Quote(table.Name)}");
        CheckUse(table, option, use, service, position);
        return table;
    }

    private void CheckUse(TableDefinition table, string option, TableUse use, TableService service, SourcePosition position)
    {
        bool suits = (use, table.Kind) switch
        {
            (_, TableKind.Dynamic) or (TableUse.Either, _) => true,
            (TableUse.List, _) => table.Kind == TableKind.List,
            _ => table.Kind == TableKind.Mapping,
        };
        if (!suits)
        {
            Error(position, $"{Describe(table.Name)} is a {(table.Kind == TableKind.List ? "list" : "mapping")} and cannot be used for {Quote(option)}: expected a {(use == TableUse.List ? "list" : "mapping")}");
            return;
        }
        if (!_entries.TryGetValue(table.Name, out var entries))
            return;
        foreach ((string key, string? value, SourcePosition place) in entries)
            CheckEntry(table, key, value, service, place);
    }

    private void CheckEntry(TableDefinition table, string key, string? value, TableService service, SourcePosition place)
    {
        switch (service)
        {
            case TableService.Regex when !PosixPattern.TryTranslate(key, out _, out string error):
                // A file can be mended while the server runs; what stands in the configuration cannot.
                string message = $"{Quote(key)} is no regular expression: it {error}";
                if (table.Source == TableSource.Inline)
                    Error(place, message);
                else
                    Warn(place, message);
                break;
            case TableService.NetAddr when key != "local" && !NetAddress.TryParseNetwork(key, out _, out _):
                Warn(place, $"{Quote(key)} matches no client: expected an address, a network such as 192.0.2.0/24, or local");
                break;
            case TableService.RelayHost when !RelayUrl.TryParse(value ?? key, out _, out string reason):
                Warn(place, $"{Quote(value ?? key)} is no relay URL: {reason}");
                break;
        }
    }

    private static string Describe(string table) => table.StartsWith('<') ? "this table" : $"table {Quote(table)}";

    /// <summary>The kinds of table that an option takes.</summary>
    private enum TableUse
    {
        List,
        Mapping,
        Either,
    }
}

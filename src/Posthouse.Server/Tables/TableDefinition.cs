namespace Posthouse.Server.Tables;

/// <summary>A table as the configuration declares it, named or anonymous; what tables are made from.</summary>
/// <param name="Name">The name: <c>aliases</c>. Those of anonymous and built-in tables have angle brackets, so that no declared one can be the same: <c>&lt;dynamic:3&gt;</c>, <c>&lt;localhost&gt;</c>.</param>
/// <param name="Kind">What it holds; for a text file, what <see cref="TableFile"/> found when the configuration was read.</param>
/// <param name="Source">Where its content comes from.</param>
public sealed record TableDefinition(string Name, TableKind Kind, TableSource Source)
{
    /// <summary>Where it is declared, as <c>file:line:column</c>; empty for the built-in ones.</summary>
    public string Position { get; init; } = "";

    /// <summary>The entries, when <see cref="Source"/> is <see cref="TableSource.Inline"/>.</summary>
    public IReadOnlyList<TableEntry> Entries { get; init; } = [];

    /// <summary>The absolute path of a file, a database, or the argument of an external program; null when there is none.</summary>
    public string? Path { get; init; }

    /// <summary>The TYPE of an external table: its program is <c>table-TYPE</c>.</summary>
    public string? ExternalType { get; init; }

    /// <summary>The command of a <c>proc-exec</c> table.</summary>
    public string? Command { get; init; }

    /// <summary>The user that its program runs as; null for the default.</summary>
    public string? User { get; init; }

    /// <summary>The group that its program runs as; null for the user's own.</summary>
    public string? Group { get; init; }

    /// <summary>The directory that its program is confined to; null for none.</summary>
    public string? Chroot { get; init; }

    /// <summary>How many copies of its program run, at least 1.</summary>
    public int Instances { get; init; } = 1;

    /// <summary>How long one request to its program may take; null for the default of 30 s.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>The accounts of the system.</summary>
    public static TableDefinition SystemUsers { get; } = new("<getpwnam>", TableKind.Dynamic, TableSource.SystemUsers);

    /// <summary>The tables that exist without being declared; any of them may be absent from a configuration's own list.</summary>
    public static IReadOnlyList<TableDefinition> BuiltIn { get; } =
    [
        new("<localhost>", TableKind.List, TableSource.LocalHost),
        new("<anyhost>", TableKind.List, TableSource.AnyHost),
        new("<localnames>", TableKind.List, TableSource.LocalNames),
        new("<anydestination>", TableKind.List, TableSource.AnyDestination),
        SystemUsers,
    ];
}

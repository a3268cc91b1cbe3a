namespace Posthouse.Server.Tables;

/// <summary>One entry as written: its key in its own case, its value (null in a list), and its line counted from 1 (0 when it has none).</summary>
public readonly record struct TableEntry(string Key, string? Value = null, int Line = 0);

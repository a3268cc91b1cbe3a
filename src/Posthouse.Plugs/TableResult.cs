namespace Posthouse.Plugs;

/// <summary>A table's answer: the value of a key found (null for a check), or what failed.</summary>
public readonly record struct TableResult(TableStatus Status, string? Value = null)
{
    /// <summary>The key is not there.</summary>
    public static TableResult NotFound => new(TableStatus.NotFound);

    /// <summary>The key is there.</summary>
    public static TableResult Found(string? value = null) => new(TableStatus.Found, value);

    /// <summary>A temporary failure; <paramref name="message"/> is for the log.</summary>
    public static TableResult Error(string message) => new(TableStatus.Error, message);

    /// <summary>Whether the key is there.</summary>
    public bool IsFound => Status == TableStatus.Found;
}

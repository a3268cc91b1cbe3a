namespace Posthouse.Server.Tables;

/// <summary>A table's entries compiled for one way of matching. Immutable once filled.</summary>
internal abstract class EntryMatcher
{
    /// <summary>Adds entry number <paramref name="index"/>; answers null, or what is wrong with its key.</summary>
    public abstract string? Add(string key, int index);

    /// <summary>The entry that matches best, or -1.</summary>
    public abstract int Find(ReadOnlySpan<char> key);
}

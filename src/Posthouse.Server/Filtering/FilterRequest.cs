namespace Posthouse.Server.Filtering;

/// <summary>Something that a filter was asked, or is to be asked. All of it is guarded by the lock of its instance.</summary>
internal abstract class FilterRequest(FilterLink link)
{
    internal FilterLink Link => link;

    /// <summary>Names it on the wire, anew each time that it is asked; zero when it is not being asked.</summary>
    internal ulong Token { get; set; }

    /// <summary>When it was asked.</summary>
    internal long AskedAt { get; set; }

    /// <summary>When the answer is overdue, by the clock's timestamp; null as long as the filter need not have answered.</summary>
    internal long? Due { get; set; }

    /// <summary>How often the filter died with nothing else to be blamed.</summary>
    internal int Deaths { get; set; }

    /// <summary>Whether it can be asked now from its beginning to its end.</summary>
    internal abstract bool IsWhole { get; }
}

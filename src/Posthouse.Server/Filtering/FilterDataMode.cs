namespace Posthouse.Server.Filtering;

/// <summary>How a filter takes the lines of messages.</summary>
internal enum FilterDataMode
{
    /// <summary>A line for each, and one back for each that it lets out.</summary>
    Lines,

    /// <summary>In chunks, both ways (<c>register|extension|bulk</c>).</summary>
    Bulk,

    /// <summary>In chunks, and nothing comes back (<c>register|extension|bulk-observe</c>).</summary>
    Observe,
}

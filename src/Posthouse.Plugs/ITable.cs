namespace Posthouse.Plugs;

/// <summary>
/// Maps names to values, by service. Keys come as the session has them: a table folds case where its service does.
/// No method throws for a failure of the table: it answers <see cref="TableStatus.Error"/>.
/// </summary>
public interface ITable : IAsyncDisposable
{
    /// <summary>Whether it can answer for <paramref name="service"/>.</summary>
    bool Supports(TableService service);

    /// <summary>Whether <paramref name="key"/> matches an entry by the service's rule.</summary>
    ValueTask<TableResult> CheckAsync(TableService service, string key, CancellationToken cancellation = default);

    /// <summary>The value of <paramref name="key"/>.</summary>
    ValueTask<TableResult> LookupAsync(TableService service, string key, CancellationToken cancellation = default);

    /// <summary>The next entry, round robin.</summary>
    ValueTask<TableResult> FetchAsync(TableService service, CancellationToken cancellation = default);

    /// <summary>Reads its source again; on failure the old content stays.</summary>
    ValueTask<TableResult> UpdateAsync(CancellationToken cancellation = default);
}

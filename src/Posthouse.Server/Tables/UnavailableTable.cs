using Posthouse.Plugs;

namespace Posthouse.Server.Tables;

/// <summary>A table that this server cannot open: each question gets the same temporary failure.</summary>
public sealed class UnavailableTable(string reason) : ITable
{
    private readonly TableResult _error = TableResult.Error(reason);

    /// <inheritdoc/>
    public bool Supports(TableService service) => true;

    /// <inheritdoc/>
    public ValueTask<TableResult> CheckAsync(TableService service, string key, CancellationToken cancellation = default) => new(_error);

    /// <inheritdoc/>
    public ValueTask<TableResult> LookupAsync(TableService service, string key, CancellationToken cancellation = default) => new(_error);

    /// <inheritdoc/>
    public ValueTask<TableResult> FetchAsync(TableService service, CancellationToken cancellation = default) => new(_error);

    /// <inheritdoc/>
    public ValueTask<TableResult> UpdateAsync(CancellationToken cancellation = default) => new(_error);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}

namespace Posthouse.Server.Tables;

/// <summary>A table whose content never changes: inline in the configuration, or built in.</summary>
public sealed class StaticTable(TableContent content) : ContentTable
{
    /// <inheritdoc/>
    protected override ValueTask<TableContent> ContentAsync(CancellationToken cancellation) => new(content);
}

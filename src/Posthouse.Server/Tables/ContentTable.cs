using Posthouse.Plugs;

namespace Posthouse.Server.Tables;

/// <summary>A table whose content is in memory: inline, built in, or read from a file.</summary>
public abstract class ContentTable : ITable
{
    /// <inheritdoc/>
    public virtual bool Supports(TableService service) => service != TableService.Auth;

    /// <inheritdoc/>
    public ValueTask<TableResult> CheckAsync(TableService service, string key, CancellationToken cancellation = default) =>
        Answer(static (content, service, key) => content.Check(service, key), service, key, cancellation);

    /// <inheritdoc/>
    public ValueTask<TableResult> LookupAsync(TableService service, string key, CancellationToken cancellation = default) =>
        Answer(static (content, service, key) => content.Lookup(service, key), service, key, cancellation);

    /// <inheritdoc/>
    public ValueTask<TableResult> FetchAsync(TableService service, CancellationToken cancellation = default) =>
        Answer(static (content, _, _) => content.Fetch(), service, "", cancellation);

    /// <summary>Whether an address is in one of the networks; null is the local socket. Spares the caller the text of the address.</summary>
    public ValueTask<TableResult> CheckAsync(NetAddress? address, CancellationToken cancellation = default)
    {
        ValueTask<TableContent> content = ContentAsync(cancellation);
        return content.IsCompletedSuccessfully ? new(content.Result.Check(address)) : Wait(content, address);

        static async ValueTask<TableResult> Wait(ValueTask<TableContent> content, NetAddress? address) => (await content).Check(address);
    }

    /// <inheritdoc/>
    public virtual ValueTask<TableResult> UpdateAsync(CancellationToken cancellation = default) => new(TableResult.Found());

    /// <inheritdoc/>
    public virtual ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        return ValueTask.CompletedTask;
    }

    /// <summary>The content to answer from. Completed at once but for when a file is read again; never throws.</summary>
    protected abstract ValueTask<TableContent> ContentAsync(CancellationToken cancellation);

    private ValueTask<TableResult> Answer(Func<TableContent, TableService, string, TableResult> ask, TableService service, string key, CancellationToken cancellation)
    {
        if (!Supports(service))
            return new(TableResult.Error($"cannot be used for {service} lookups"));
        ValueTask<TableContent> content = ContentAsync(cancellation);
        return content.IsCompletedSuccessfully ? new(ask(content.Result, service, key)) : Wait(content, ask, service, key);

        static async ValueTask<TableResult> Wait(ValueTask<TableContent> content, Func<TableContent, TableService, string, TableResult> ask, TableService service, string key) =>
            ask(await content, service, key);
    }
}

using Microsoft.Extensions.Logging;
using Posthouse.Server.Configuration;
using Posthouse.Server.Delivering.Local;
using Posthouse.Server.Model;
using Posthouse.Server.Processes;
using Posthouse.Server.Tables;

namespace Posthouse.Server.Hosting;

/// <summary>
/// What the engine may ask of the parent, answered by the parent's own reading of the configuration. Everything that was
/// made for an engine (workers, programs) ends with it.
/// </summary>
internal sealed class ParentCalls(Func<CancellationToken, ValueTask<ReloadResult>> reload, TimeProvider time, ILogger logger) : IDisposable
{
    private readonly TableFileService _tableFiles = new();
    private ConfiguredTables? _inForce;
    private ConfiguredTables? _before;
    private ServerUsers _users = ServerUsers.None;
    private ParentDeliveries? _deliveries;

    /// <summary>Answers by this configuration from now on.</summary>
    internal async Task UseAsync(ServerConfiguration configuration, ServerUsers users)
    {
        _users = users;
        _inForce = await OpenAsync(configuration);
        _tableFiles.Keep(configuration);
    }

    /// <summary>Answers by another configuration, until it is kept or given up.</summary>
    internal async Task PrepareAsync(ServerConfiguration configuration)
    {
        ConfiguredTables next = await OpenAsync(configuration);
        (_before, _inForce) = (_inForce, next);
        _tableFiles.Offer(configuration);
        _deliveries?.ForgetConfiguration();
    }

    /// <summary>The other configuration is in force.</summary>
    internal Task KeepAsync()
    {
        _tableFiles.Keep(_inForce!.Configuration);
        return CloseAsync(ref _before);
    }

    /// <summary>It is not: back to the one before.</summary>
    internal Task GiveUpAsync()
    {
        if (_before is null) return Task.CompletedTask;
        (_before, _inForce) = (_inForce, _before);
        _tableFiles.Keep(_inForce!.Configuration);
        _deliveries?.ForgetConfiguration();
        return CloseAsync(ref _before);
    }

    /// <summary>What answers an engine that is about to be started.</summary>
    internal Func<ChannelRequest, CancellationToken, ValueTask<ChannelAnswer>> ForEngine()
    {
        EngineEnded();
        ParentDeliveries deliveries = _deliveries = new(
            LocalSettings.For(() => _inForce!, time, logger) with { Users = _users, HostName = _inForce!.Configuration.ServerName }, time, logger);
        return async (request, cancellation) => request.Kind switch
        {
            MessageKind.Reload => new(ReloadAnswer.ToBytes(await reload(cancellation))),
            MessageKind.OpenTable => _tableFiles.Answer(request),
            _ when ParentDeliveries.Serves(request.Kind) => await deliveries.ServeAsync(request, cancellation),
            _ => ChannelAnswer.Empty,
        };
    }

    /// <summary>Ends what was made for an engine that is no more.</summary>
    internal void EngineEnded()
    {
        _deliveries?.Dispose();
        _deliveries = null;
    }

    /// <inheritdoc/>
    public void Dispose() => EngineEnded();

    // The engine has the other tables; here are those that say who gets mail, and by what command.
    private async Task<ConfiguredTables> OpenAsync(ServerConfiguration configuration)
    {
        IEnumerable<TableDefinition> wanted = configuration.Actions.Values.OfType<LocalAction>()
            .SelectMany(static action => (TableDefinition?[])[action.Userbase, action.Alias, action.Virtual]).OfType<TableDefinition>().DistinctBy(static table => table.Name);
        TableSet tables = await TableSet.OpenAsync(wanted, new()
        {
            ServerName = configuration.ServerName,
            SubAddressDelimiter = configuration.Smtp.SubAddressDelimiter,
            Time = time,
            // What is wrong with a table is said by the engine, once.
            Logger = Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance,
        });
        return new(configuration, tables);
    }

    private static Task CloseAsync(ref ConfiguredTables? tables)
    {
        ConfiguredTables? closed = tables;
        tables = null;
        return closed is null ? Task.CompletedTask : closed.Tables.DisposeAsync().AsTask();
    }
}

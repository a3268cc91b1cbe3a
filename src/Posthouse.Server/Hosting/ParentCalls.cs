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
    // Longer than a plug may take to end that is told to.
    private static readonly TimeSpan s_plugsEnd = PlugChild.Grace + TimeSpan.FromSeconds(2);

    private readonly TableFileService _tableFiles = new();
    private readonly PlugDefinitions _plugDefinitions = new();
    private readonly List<Task> _endingPlugs = [];
    private IReadOnlySet<string> _sharedUsers = new HashSet<string>();
    private PlugLauncher? _launcher;
    private ParentPlugs? _plugs;
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
        _launcher = new(users, OwnExecutable.Default, logger);
        _plugDefinitions.Offer(PlugDefinitions.Of(configuration));
        _plugDefinitions.Keep();
        SaySharedUsers(configuration);
    }

    /// <summary>Answers by another configuration, until it is kept or given up.</summary>
    internal async Task PrepareAsync(ServerConfiguration configuration)
    {
        ConfiguredTables next = await OpenAsync(configuration);
        (_before, _inForce) = (_inForce, next);
        _tableFiles.Offer(configuration);
        _plugDefinitions.Offer(PlugDefinitions.Of(configuration));
        _deliveries?.ForgetConfiguration();
    }

    /// <summary>The other configuration is in force.</summary>
    internal Task KeepAsync()
    {
        _tableFiles.Keep(_inForce!.Configuration);
        _plugDefinitions.Keep();
        SaySharedUsers(_inForce.Configuration);
        return CloseAsync(ref _before);
    }

    /// <summary>It is not: back to the one before.</summary>
    internal Task GiveUpAsync()
    {
        if (_before is null) return Task.CompletedTask;
        (_before, _inForce) = (_inForce, _before);
        _tableFiles.Keep(_inForce!.Configuration);
        _plugDefinitions.GiveUp();
        _deliveries?.ForgetConfiguration();
        return CloseAsync(ref _before);
    }

    /// <summary>What answers an engine that is about to be started.</summary>
    internal Func<ChannelRequest, CancellationToken, ValueTask<ChannelAnswer>> ForEngine()
    {
        EngineEnded();
        ParentDeliveries deliveries = _deliveries = new(
            LocalSettings.For(() => _inForce!, time, logger) with { Users = _users, HostName = _inForce!.Configuration.ServerName }, time, logger);
        _plugDefinitions.ForgetEarlier();
        ParentPlugs plugs = _plugs = new(_plugDefinitions, _launcher!, time);
        return async (request, cancellation) => request.Kind switch
        {
            MessageKind.Reload => new(ReloadAnswer.ToBytes(await reload(cancellation))),
            MessageKind.OpenTable => _tableFiles.Answer(request),
            MessageKind.StartPlug => await plugs.ServeAsync(request),
            _ when ParentDeliveries.Serves(request.Kind) => await deliveries.ServeAsync(request, cancellation),
            _ => ChannelAnswer.Empty,
        };
    }

    /// <summary>Ends what was made for an engine that is no more; plugs that take their time to end need not be waited for.</summary>
    internal void EngineEnded()
    {
        _deliveries?.Dispose();
        _deliveries = null;
        if (_plugs is null) return;
        _plugs.Dispose();
        _endingPlugs.RemoveAll(static ending => ending.IsCompleted);
        _endingPlugs.Add(_plugs.Over);
        _plugs = null;
    }

    /// <summary>Ends all, and waits for plugs: after us there is nobody who would kill those that do not want to.</summary>
    public void Dispose()
    {
        EngineEnded();
        Task.WaitAll([.. _endingPlugs], s_plugsEnd);
    }

    // Each once, for as long as it stays so.
    private void SaySharedUsers(ServerConfiguration configuration)
    {
        HashSet<string> shared = [.. PlugSeparation.FindSharedUsers(PlugDefinitions.Of(configuration), _users)];
        foreach (string what in shared.Except(_sharedUsers)) ParentLog.PlugsShareUser(logger, what);
        _sharedUsers = shared;
    }

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

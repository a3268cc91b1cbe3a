using System.Net;
using System.Net.Sockets;
using System.Reflection;
using Microsoft.Extensions.Logging;
using Posthouse.Plugs;
using Posthouse.Server.Configuration;
using Posthouse.Server.Control;
using Posthouse.Server.Delivering;
using Posthouse.Server.Delivering.Bouncing;
using Posthouse.Server.Delivering.Local;
using Posthouse.Server.Filtering;
using Posthouse.Server.Model;
using Posthouse.Server.Native;
using Posthouse.Server.Processes;
using Posthouse.Server.Queueing;
using Posthouse.Server.Scheduling;
using Posthouse.Server.Tables;
using Posthouse.Server.Transport;

namespace Posthouse.Server.Hosting;

/// <summary>
/// The whole server but for what needs root: sessions, queue, scheduler and deliveries, put together from a configuration, which can be replaced while
/// it runs. It starts from the queue outwards (the spool, the deliveries, then the listeners), so that nothing comes in
/// before there is a place for it, and stops the other way round.
/// </summary>
/// <remarks>What lasts is here; what follows from a configuration is a <see cref="Serving"/>, and which of them is in force, <see cref="Generations"/>.</remarks>
public sealed class MailServer : IAsyncDisposable
{
    // Strangers among them, who are refused at once; of those who are listened to, the control server takes fewer.
    private const int MaxControlClients = 256;

    private static readonly TimeSpan s_sessionGrace = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan s_deliveryGrace = TimeSpan.FromSeconds(5);

    private readonly EngineOptions _options;
    private readonly StateDirectory _state;
    private readonly MailLog _log;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Counters _counters = new();
    private readonly Generations _generations = new();
    private readonly SemaphoreSlim _applying = new(1, 1);
    private readonly CancellationTokenSource _stopControl = new();
    private readonly DeadlineWatch _watch;
    private readonly HandshakeThreads _handshakes = new();
    private readonly SessionLimiter _limiter = new(0, 0);
    private readonly ListenerSet _listeners;
    private readonly int _mostSessions;
    private EngineParts? _parts;
    private IPrivileges? _privileges;
    private LocalPlugStarter? _ownPlugs;
    private FilterHosts? _filters;
    private MailQueue? _queue;
    private IScheduler? _scheduler;
    private InFlightRecord? _inFlight;
    private Dispatcher? _dispatcher;
    private Listener? _control;
    private Task _controlling = Task.CompletedTask;
    private bool _stopped;

    /// <summary>A server that does nothing until started.</summary>
    public MailServer(EngineOptions options, MailLog log, TimeProvider time)
    {
        _options = options;
        _state = options.Serve.State;
        _log = log;
        _time = time;
        _logger = log.CreateLogger("posthouse");
        _watch = new(time);
        _listeners = new(_watch, _limiter, _logger) { IsPaused = options.Serve.PauseSmtp };
        // A quarter of the files is kept for the queue and deliveries: a flood of connections must not stop the mail that is here.
        _mostSessions = (int)Math.Max(1, OpenFiles.Left * 3L / 4);
    }

    /// <summary>The configuration in force.</summary>
    public ServerConfiguration Configuration => _generations.Current.Configuration;

    /// <summary>Whether no new SMTP sessions are taken; they wait in the backlog.</summary>
    public bool IsSmtpPaused
    {
        get => _listeners.IsPaused;
        set => _listeners.IsPaused = value;
    }

    /// <summary>Configurations in force or still used by a session: more than one after <see cref="ApplyAsync"/>, until the sessions of the old have ended.</summary>
    internal IReadOnlyList<Serving> Generations => _generations.Alive;

    /// <summary>
    /// Starts serving on <paramref name="sockets"/>, which it takes over: one for each address of the configuration, the local socket and the
    /// control socket. They are bound and listen. Answers the fault that keeps it from serving, for the operator to read.
    /// </summary>
    public async Task<Fault?> StartAsync(ServerConfiguration configuration, IReadOnlyList<(EndPoint EndPoint, Socket Socket)> sockets)
    {
        HostingLog.Starting(_logger, typeof(MailServer).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "");
        Fault? fault = await StartAsync(configuration, [.. sockets.Where(socket => !IsControl(socket.EndPoint))], sockets.FirstOrDefault(socket => IsControl(socket.EndPoint)).Socket);
        if (fault is null) HostingLog.Ready(_logger);
        else CloseAll(sockets);
        return fault;
    }

    /// <summary>
    /// Serves by another configuration from now on, without ending a session or losing anything queued: all of it is made ready first, and a
    /// fault leaves the old one in force. New sessions and new attempts to deliver go by the new one; sessions there are end as they began.
    /// Addresses that stay keep their sockets; <paramref name="sockets"/>, taken over, are for those that are new.
    /// </summary>
    public async Task<ReloadResult> ApplyAsync(
        ServerConfiguration configuration, IReadOnlyList<(EndPoint EndPoint, Socket Socket)> sockets, CancellationToken cancellation = default)
    {
        await _applying.WaitAsync(CancellationToken.None);
        try
        {
            if (UnsupportedFeatures.Refuse(configuration, _options.Serve.IgnoreUnsupported, _logger) is { } unsupported) return Refuse(unsupported, sockets);
            configuration = RestartOnly.Keep(Configuration, configuration, out IReadOnlyList<string> unchanged);
            if (_stopped) return Refuse(Fault.Temporary("not reloaded", "the server is stopping"), sockets);
            (Serving? next, Fault? fault) = await Serving.OpenAsync(configuration, _parts!, _generations.Current, toleratesTables: false, cancellation);
            if (next is null) return Refuse(fault!, sockets);
            if (_listeners.FindMissing(next, sockets) is { } missing)
            {
                await next.DisposeAsync();
                return Refuse(Fault.Temporary("not reloaded", $"no socket for {missing}"), sockets);
            }

            Change(next, sockets);
            await _listeners.WhenClosedAsync();
            foreach (string difference in unchanged) HostingLog.OnlyAtRestart(_logger, difference);
            HostingLog.Reloaded(_logger);
            return new(null, unchanged);
        }
        catch
        {
            CloseAll(sockets);
            throw;
        }
        finally
        {
            _applying.Release();
        }
    }

    /// <summary>
    /// Takes no new sessions, lets those in which a message is coming in finish (30 s at the most) and deliveries end (5 s);
    /// everything else is safe in the queue.
    /// </summary>
    public async Task StopAsync()
    {
        // Not in the middle of a reload: it would open what has just been closed.
        await _applying.WaitAsync();
        bool isFirst = !_stopped;
        _stopped = true;
        _applying.Release();
        if (!isFirst) return;
        SmtpReceivers receivers = new(_generations.Alive);
        HostingLog.Stopping(_logger, receivers.Open);
        await _stopControl.CancelAsync();
        _control?.Dispose();
        await _listeners.StopAsync();
        await _controlling;
        await receivers.StopAsync(s_sessionGrace);
        if (_dispatcher is not null) await _dispatcher.StopAsync(s_deliveryGrace);
        if (_queue is not null) await _queue.DisposeAsync();
        HostingLog.Exiting(_logger);
    }

    /// <summary>Reads all table files again; one that cannot be read keeps its old content.</summary>
    public async Task UpdateTablesAsync()
    {
        Serving serving = _generations.Enter();
        try
        {
            foreach (TableDefinition table in serving.Configuration.Tables.Values)
            {
                if (table.Source is not (TableSource.File or TableSource.Database or TableSource.Passwd)) continue;
                TableResult result = await serving.Tables.UpdateAsync(table.Name);
                if (result.Status == TableStatus.Error) HostingLog.TableUpdateFailed(_logger, table.Name, result.Value ?? "it failed");
                else HostingLog.TableUpdated(_logger, table.Name);
            }
        }
        finally
        {
            serving.Leave();
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        if (_scheduler is not null) await _scheduler.DisposeAsync();
        await _generations.DisposeAsync();
        if (_filters is not null) await _filters.DisposeAsync();
        _ownPlugs?.Dispose();
        (_privileges as IDisposable)?.Dispose();
        _handshakes.Dispose();
        _watch.Dispose();
        _inFlight?.Dispose();
        _stopControl.Dispose();
    }

    private async Task<Fault?> StartAsync(ServerConfiguration configuration, IReadOnlyList<(EndPoint EndPoint, Socket Socket)> sockets, Socket? control)
    {
        if (UnsupportedFeatures.Refuse(configuration, _options.Serve.IgnoreUnsupported, _logger) is { } unsupported) return unsupported;
        if (control is null) return Fault.Permanent("no socket", $"no socket for {_state.ControlSocket}");
        // First of all: what the process before had in flight must not be taken for ours when something below fails.
        _inFlight = InFlightRecord.Open(Path.Combine(_state.Spool, "inflight"), _options.PredecessorCrashed, _logger);
        if (ClearScratch() is { } unusable) return unusable;
        if (await OpenQueueAsync(configuration) is { } closed) return closed;
        LocalSettings settings = LocalSettings.For(EnterTables, _time, _logger) with { Users = _options.Users, HostName = configuration.ServerName };
        _privileges = _options.Privileges(settings);
        _filters = new(_options.Plugs ?? (_ownPlugs = new(_options.Users, _time, _logger)));
        _parts = new(_state, _queue!, _privileges, _filters, _options.TableFiles, _options.CopiesDatabases ? Scratch : null, _options.Certificates ?? new(_logger), _handshakes, _time, _logger, _counters);
        (Serving? first, Fault? fault) = await Serving.OpenAsync(configuration, _parts, before: null, toleratesTables: true, CancellationToken.None);
        if (first is null) return fault;
        if (_listeners.FindMissing(first, sockets) is { } missing)
        {
            await first.DisposeAsync();
            return Fault.Permanent("no socket", $"no socket for {missing}");
        }

        await StartDeliveringAsync(first, settings);
        Change(first, sockets);
        ServerControls controls = new(_listeners, _log, _generations, _filters!, _options.Reload);
        ControlServer server = new(new ControlActions(_dispatcher!, controls, _counters, _time), _counters, _logger) { Owner = _options.Owner, Time = _time };
        _control = new Listener(control, _watch, new SessionLimiter(MaxControlClients, MaxControlClients / 4), server.ServeAsync, _logger);
        _controlling = _control.RunAsync(_stopControl.Token);
        return null;
    }

    private string Scratch => Path.Combine(_state.Spool, "tables");

    private Fault? ClearScratch()
    {
        try
        {
            if (Directory.Exists(Scratch)) Directory.Delete(Scratch, recursive: true);
            return null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return Fault.Permanent("no scratch", $"cannot empty {Scratch}: {error.Message}");
        }
    }

    private async Task<Fault?> OpenQueueAsync(ServerConfiguration configuration)
    {
        try
        {
            IQueue store = await QueueStores.OpenAsync(configuration.Queue.Backend, _state.Spool, _time, _logger);
            _queue = new(store, QueueOptions(configuration), _time, _logger, _counters, new SpoolSpace(_state.Spool, _time, _logger));
            return null;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return Fault.Permanent("no queue", $"cannot open the queue in {_state.Spool}: {error.Message}");
        }
    }

    private MailQueueOptions QueueOptions(ServerConfiguration configuration) => new()
    {
        Compression = configuration.Queue.Compression,
        EncryptionKey = _options.Serve.QueueKey,
        TimeToLive = configuration.Queue.Ttl,
    };

    private ConfiguredTables EnterTables()
    {
        Serving serving = _generations.Enter();
        return new(serving.Configuration, serving.Tables, serving.Leave);
    }

    private async Task StartDeliveringAsync(Serving first, LocalSettings settings)
    {
        SchedulerConfiguration scheduling = first.Configuration.Scheduler;
        _scheduler = scheduling.Backend == "null" ? new NullScheduler(_time) : new RamScheduler(_time, new() { MaxInFlight = scheduling.MaxInflight });
        Dictionary<EnvelopeKind, IDelivery> deliveries = new()
        {
            [EnvelopeKind.Mda] = new ExpandingDelivery(new LocalDelivery(_queue!, _privileges!, settings), _queue!, _generations, _time),
            [EnvelopeKind.Bounce] = new BounceDelivery(_queue!, _generations, _time, _counters),
        };
        _dispatcher = new(_queue!, _scheduler, deliveries, first.ForDispatcher(), _time, _logger, _counters, _inFlight);
        if (_options.Serve.PauseMda) _dispatcher.Pause(EnvelopeKinds.Mda);
        if (_options.Serve.PauseMta) _dispatcher.Pause(EnvelopeKinds.Mta);
        // The first deliveries may ask for it at once.
        _generations.Replace(first);
        await _dispatcher.StartAsync();
    }

    // Nothing in here waits or fails: what could have, has been done.
    private void Change(Serving next, IReadOnlyList<(EndPoint EndPoint, Socket Socket)> sockets)
    {
        ServerConfiguration configuration = next.Configuration;
        SmtpLimits limits = configuration.Smtp.Limits;
        _limiter.Limit(Math.Min(limits.MaxSessions, _mostSessions), limits.MaxSessionsPerAddress);
        _queue!.Options = QueueOptions(configuration);
        _dispatcher!.Options = next.ForDispatcher();
        if (_scheduler is RamScheduler ram) ram.MaxInFlight = configuration.Scheduler.MaxInflight;
        // The listeners before what was in force is left: none may then still lead there.
        _listeners.Serve(next, sockets);
        if (_generations.Alive.Contains(next)) return;
        _generations.Replace(next);
        _privileges!.ForgetConfiguration();
    }

    private bool IsControl(EndPoint endPoint) => ListenerSet.NameOf(endPoint) == _state.ControlSocket;

    private static ReloadResult Refuse(Fault fault, IReadOnlyList<(EndPoint EndPoint, Socket Socket)> sockets)
    {
        CloseAll(sockets);
        return ReloadResult.Refused(fault);
    }

    private static void CloseAll(IReadOnlyList<(EndPoint EndPoint, Socket Socket)> sockets)
    {
        foreach ((_, Socket socket) in sockets) socket.Dispose();
    }
}

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
using Posthouse.Server.Model;
using Posthouse.Server.Naming;
using Posthouse.Server.Native;
using Posthouse.Server.Processes;
using Posthouse.Server.Queueing;
using Posthouse.Server.Receiving;
using Posthouse.Server.Rules;
using Posthouse.Server.Scheduling;
using Posthouse.Server.Tables;
using Posthouse.Server.Transport;

namespace Posthouse.Server.Hosting;

/// <summary>
/// The whole server, put together from a configuration. It starts from the queue outwards (the spool, the deliveries,
/// then the listeners), so that nothing comes in before there is a place for it, and stops the other way round.
/// </summary>
public sealed class MailServer : IAsyncDisposable
{
    private const int MaxControlClients = 64;

    private static readonly TimeSpan s_sessionGrace = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan s_deliveryGrace = TimeSpan.FromSeconds(5);

    private readonly ServerConfiguration _configuration;
    private readonly ServeOptions _options;
    private readonly MailLog _log;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Counters _counters = new();
    private readonly CancellationTokenSource _stopListening = new();
    private readonly List<Listener> _listeners = [];
    private readonly List<SmtpReceiver> _receivers = [];
    private readonly List<Task> _accepting = [];
    private Listener? _control;
    private SpoolLock? _lock;
    private TableSet? _tables;
    private InProcessPrivileges? _privileges;
    private MailQueue? _queue;
    private RecipientResolver? _recipients;
    private IScheduler? _scheduler;
    private Dispatcher? _dispatcher;
    private DeadlineWatch? _watch;
    private HandshakeThreads? _handshakes;
    private bool _stopped;

    /// <summary>A server that does nothing until started.</summary>
    public MailServer(ServerConfiguration configuration, ServeOptions options, MailLog log, TimeProvider time)
    {
        _configuration = configuration;
        _options = options;
        _log = log;
        _time = time;
        _logger = log.CreateLogger("posthouse");
    }

    /// <summary>Starts serving; answers the fault that keeps it from that, for the operator to read.</summary>
    public async Task<Fault?> StartAsync()
    {
        HostingLog.Starting(_logger, typeof(MailServer).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0] ?? "");
        if (CheckSupport() is { } unsupported) return unsupported;
        if (FindUsers(out ServerUsers users) is { } missing) return missing;
        if (TakeState() is { } taken) return taken;

        _tables = await TableSet.OpenAsync(_configuration.Tables.Values, new()
        {
            ServerName = _configuration.ServerName,
            SubAddressDelimiter = _configuration.Smtp.SubAddressDelimiter,
            Time = _time,
            Logger = _logger,
        });
        foreach (string failure in _tables.Failures) HostingLog.TableFailed(_logger, failure);

        (IQueue? store, Fault? fault) = await OpenStoreAsync();
        if (store is null) return fault;
        MailQueueOptions keeping = new()
        {
            Compression = _configuration.Queue.Compression,
            EncryptionKey = _options.QueueKey,
            TimeToLive = _configuration.Queue.Ttl,
        };
        _queue = new(store, keeping, _time, _logger, _counters, new SpoolSpace(_options.State.Spool, _time, _logger));
        StartDelivering(users);
        await _dispatcher!.StartAsync();
        fault = await ListenAsync() ?? await ListenForControlAsync();
        if (fault is null) HostingLog.Ready(_logger);
        return fault;
    }

    /// <summary>
    /// Takes no new sessions, lets those in which a message is coming in finish (30 s at the most) and deliveries end (5 s);
    /// everything else is safe in the queue.
    /// </summary>
    public async Task StopAsync()
    {
        if (_stopped) return;
        _stopped = true;
        HostingLog.Stopping(_logger, _receivers.Sum(receiver => receiver.Open));
        await _stopListening.CancelAsync();
        foreach (Listener listener in _listeners) listener.Dispose();
        _control?.Dispose();
        await Task.WhenAll(_accepting);
        await Task.WhenAll(_receivers.Select(receiver => receiver.StopAsync(s_sessionGrace)));
        if (_dispatcher is not null) await _dispatcher.StopAsync(s_deliveryGrace);
        if (_queue is not null) await _queue.DisposeAsync();
        HostingLog.Exiting(_logger);
    }

    /// <summary>Reads all table files again; one that cannot be read keeps its old content.</summary>
    public async Task UpdateTablesAsync()
    {
        foreach (TableDefinition table in _configuration.Tables.Values)
        {
            if (_tables is null || table.Source is not (TableSource.File or TableSource.Database or TableSource.Passwd)) continue;
            TableResult result = await _tables.UpdateAsync(table.Name);
            if (result.Status == TableStatus.Error) HostingLog.TableUpdateFailed(_logger, table.Name, result.Value ?? "it failed");
            else HostingLog.TableUpdated(_logger, table.Name);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        if (_scheduler is not null) await _scheduler.DisposeAsync();
        if (_tables is not null) await _tables.DisposeAsync();
        _privileges?.Dispose();
        _handshakes?.Dispose();
        _watch?.Dispose();
        _lock?.Dispose();
        _stopListening.Dispose();
    }

    private Fault? CheckSupport()
    {
        if (_configuration.UnsupportedFeatures.Length == 0) return null;
        if (!_options.IgnoreUnsupported)
        {
            string list = string.Join("\n", _configuration.UnsupportedFeatures.Select(feature => $"{feature.Position}: {feature.What}"));
            return Fault.Permanent("not supported",
                $"the configuration uses what this version does not support yet:\n{list}\nposthouse: take it out, or start with --ignore-unsupported to serve without it");
        }

        foreach (UnsupportedFeature feature in _configuration.UnsupportedFeatures)
            HostingLog.Unsupported(_logger, feature.Position.ToString(), feature.What);
        return null;
    }

    private Fault? FindUsers(out ServerUsers users)
    {
        users = ServerUsers.None;
        if (!SystemAccounts.IsRoot) return null;
        UserAccount?[] accounts = [.. _options.Users.All.Select(name => SystemAccounts.Find(name, out _))];
        string[] missing = [.. _options.Users.All.Where((_, i) => accounts[i] is null).Distinct()];
        if (missing.Length > 0)
        {
            return Fault.Permanent("users missing",
                $"started by root, but these users do not exist: {string.Join(", ", missing)}\nposthouse: make them (adduser --system --no-create-home), or name others with --users ENGINE,KEYS,PLUG,MDA");
        }

        users = new(accounts[0], accounts[1], accounts[2], accounts[3]);
        HostingLog.RunsAsRoot(_logger);
        return null;
    }

    private Fault? TakeState()
    {
        try
        {
            Directory.CreateDirectory(_options.State.Path);
            Directory.CreateDirectory(_options.State.Spool, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return Fault.Permanent("no state", $"cannot use the state directory {_options.State.Path}: {error.Message}");
        }

        _lock = SpoolLock.TryTake(_options.State, out Fault? fault);
        return fault is null ? null : fault with { Detail = $"{fault.Detail ?? fault.PublicText}: stop that server, or give this one another directory with --state" };
    }

    private async Task<(IQueue?, Fault?)> OpenStoreAsync()
    {
        try
        {
            IQueue store = await QueueStores.OpenAsync(_configuration.Queue.Backend, _options.State.Spool, _time, _logger);
            return (store, null);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return (null, Fault.Permanent("no queue", $"cannot open the queue in {_options.State.Spool}: {error.Message}"));
        }
    }

    private void StartDelivering(ServerUsers users)
    {
        ExpansionLookup? lookup = null;
        SourceReader? sources = null;
        LocalSettings settings = new()
        {
            Configuration = () => _configuration,
            Accounts = async (action, name, cancellation) =>
            {
                (UserAccount? account, string? failure) = await lookup!.AccountAsync(action.Userbase, name, cancellation);
                return new(account, failure is null ? null : Fault.Temporary("Temporary failure", failure));
            },
            Sources = async (envelope, cancellation) =>
            {
                SourcedDelivery sourced = await sources!.ReadAsync(envelope, cancellation);
                string? entry = sourced.Element switch
                {
                    { Kind: ExpansionKind.Command } command => "|" + command.Text,
                    { } file => file.Text,
                    null => null,
                };
                return new(entry, sourced.Fault);
            },
            Users = users,
            HostName = _configuration.ServerName,
        };
        _privileges = new(settings, _time, _logger);
        ResolverOptions options = new() { Time = _time, Logger = _logger };
        lookup = new(_tables!, _privileges, _configuration.Smtp.SubAddressDelimiter, options.Open);
        sources = new(_configuration, _tables!, _privileges, options);
        _recipients = new(_configuration, _tables!, _privileges, options);

        _scheduler = _configuration.Scheduler.Backend == "null"
            ? new NullScheduler(_time)
            : new RamScheduler(_time, new() { MaxInFlight = _configuration.Scheduler.MaxInflight });
        Dictionary<EnvelopeKind, IDelivery> deliveries = new()
        {
            [EnvelopeKind.Mda] = new LocalDelivery(_queue!, _privileges, settings),
            [EnvelopeKind.Bounce] = new BounceDelivery(_queue!, new RuleReturnRoute(() => _recipients!, _configuration.ServerName), _time, _counters),
        };
        MdaLimits limits = _configuration.Mda;
        _dispatcher = new(_queue!, _scheduler, deliveries, new()
        {
            ServerName = _configuration.ServerName,
            Local = new()
            {
                MaxRunning = limits.MaxSessions,
                MaxPerDestination = limits.MaxSessionsPerUser,
                HighWater = limits.TaskHighWater,
                LowWater = limits.TaskLowWater,
                Release = limits.TaskRelease,
            },
            WarnIntervals = _configuration.WarnIntervals,
            BounceTimeToLive = _configuration.Queue.Ttl,
        }, _time, _logger, _counters);
        if (_options.PauseMda) _dispatcher.Pause(EnvelopeKinds.Mda);
        if (_options.PauseMta) _dispatcher.Pause(EnvelopeKinds.Mta);
    }

    private async Task<Fault?> ListenAsync()
    {
        _watch = new(_time);
        _handshakes = new();
        SmtpLimits limits = _configuration.Smtp.Limits;
        SessionLimiter limiter = new(MostSessions(limits), limits.MaxSessionsPerAddress);
        ReverseNames names = new(new Resolver(_configuration.Resolvers.Length > 0 ? [.. _configuration.Resolvers] : null, HostsFile.Read(), _time, _logger), _time);
        ReceivingServices services = new()
        {
            Queue = _queue!,
            Resolve = _recipients!.ResolveAsync,
            FindName = names.FindAsync,
            Time = _time,
            Logger = _logger,
            Counters = _counters,
        };

        SessionProfiles profiles = new(_configuration, _tables!, _privileges!, _handshakes, _time, _logger);
        Fault? fault = await ListenAsync(new UnixDomainSocketEndPoint(_options.State.SmtpSocket), profiles.ForSocket(), services, limiter);
        foreach (ListenerConfiguration listener in _configuration.Listeners)
        {
            if (fault is not null) return fault;
            SessionProfile? profile = profiles.For(listener, out fault);
            if (profile is null) return fault;
            foreach (IPEndPoint endPoint in listener.EndPoints)
                fault ??= await ListenAsync(endPoint, profile, services, limiter);
        }

        return fault;
    }

    // A quarter of the files is kept for the queue and deliveries: a flood of connections must not stop the mail that is here.
    private static int MostSessions(SmtpLimits limits) => (int)Math.Min(limits.MaxSessions, Math.Max(1, OpenFiles.Left * 3L / 4));

    private async Task<Fault?> ListenForControlAsync()
    {
        UnixDomainSocketEndPoint endPoint = new(_options.State.ControlSocket);
        ListenResult bound = await _privileges!.ListenAsync(endPoint, CancellationToken.None);
        if (bound.Socket is null)
            return bound.Fault! with { Detail = $"cannot listen on {endPoint}: {bound.Fault.Detail ?? bound.Fault.PublicText}" };
        ServerControls controls = new([.. _listeners], _log, _tables!, UpdateTablesAsync);
        ControlServer server = new(new ControlActions(_dispatcher!, controls, _counters, _time), _counters, _logger);
        _control = new Listener(bound.Socket, _watch!, new SessionLimiter(MaxControlClients, MaxControlClients), server.ServeAsync, _logger);
        _accepting.Add(_control.RunAsync(_stopListening.Token));
        return null;
    }

    private async Task<Fault?> ListenAsync(EndPoint endPoint, SessionProfile profile, ReceivingServices services, SessionLimiter limiter)
    {
        ListenResult bound = await _privileges!.ListenAsync(endPoint, CancellationToken.None);
        if (bound.Socket is null)
            return bound.Fault! with { Detail = $"cannot listen on {endPoint}: {bound.Fault.Detail ?? bound.Fault.PublicText}" };
        SmtpReceiver receiver = new(profile, services);
        Listener listener = new(bound.Socket, _watch!, limiter, receiver.ServeAsync, _logger) { IsPaused = _options.PauseSmtp };
        _receivers.Add(receiver);
        _listeners.Add(listener);
        _accepting.Add(listener.RunAsync(_stopListening.Token));
        string options = profile.Tls == ListenerTls.None ? "" : $" ({profile.Tls.ToString().ToLowerInvariant()} tls)";
        HostingLog.Listening(_logger, endPoint.ToString() ?? "", options);
        return null;
    }
}

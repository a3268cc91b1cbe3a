using System.Net;
using System.Net.Sockets;
using Posthouse.Plugs;
using Posthouse.Server.Configuration;
using Posthouse.Server.Delivering;
using Posthouse.Server.Delivering.Bouncing;
using Posthouse.Server.Filtering;
using Posthouse.Server.Model;
using Posthouse.Server.Naming;
using Posthouse.Server.Receiving;
using Posthouse.Server.Rules;
using Posthouse.Server.Tables;

namespace Posthouse.Server.Hosting;

/// <summary>
/// What follows from one configuration: its tables, open; its rules; what the sessions of each listener work by. It is
/// built as a whole before anything changes, and stays until the last of its sessions has ended.
/// </summary>
internal sealed class Serving : IAsyncDisposable
{
    private readonly RuleReturnRoute _route;
    private readonly List<Door> _doors = [];
    private readonly List<FilterHost> _filters = [];
    private readonly FilterHosts _hosts;

    // One for being in force, one for each session and each question under way.
    private int _users = 1;

    private Serving(ServerConfiguration configuration, TableSet tables, EngineParts parts, ReverseNames names)
    {
        Configuration = configuration;
        Tables = tables;
        Names = names;
        _hosts = parts.Filters;
        ResolverOptions options = new() { Time = parts.Time, Logger = parts.Logger };
        Recipients = new(configuration, tables, parts.Privileges, options);
        Sources = new(configuration, tables, parts.Privileges);
        _route = new(() => Recipients, configuration.ServerName);
    }

    /// <summary>What all this follows from.</summary>
    public ServerConfiguration Configuration { get; }

    /// <summary>Its tables.</summary>
    public TableSet Tables { get; }

    /// <summary>Who asks for the names of clients.</summary>
    public ReverseNames Names { get; }

    /// <summary>Its rules.</summary>
    public RecipientResolver Recipients { get; }

    /// <summary>What envelopes that stand for an entry of an alias or .forward stand for.</summary>
    public SourceReader Sources { get; }

    /// <summary>Its listeners, the local socket first.</summary>
    public IReadOnlyList<Door> Doors => _doors;

    /// <summary>Called once, when nobody needs it any more.</summary>
    public Action<Serving>? Unused { get; set; }

    /// <summary>
    /// Opens the tables and finds the certificates of a configuration; the fault says, with its place, what cannot be used. A table whose file cannot be read is
    /// one unless <paramref name="toleratesTables"/>: mail that needs it is then deferred.
    /// </summary>
    public static async Task<(Serving? Serving, Fault? Fault)> OpenAsync(
        ServerConfiguration configuration, EngineParts parts, Serving? before, bool toleratesTables, CancellationToken cancellation)
    {
        TableSet tables = await TableSet.OpenAsync(configuration.Tables.Values, new()
        {
            ServerName = configuration.ServerName,
            SubAddressDelimiter = configuration.Smtp.SubAddressDelimiter,
            Time = parts.Time,
            Logger = parts.Logger,
            Files = parts.TableFiles,
            Scratch = parts.TableScratch,
        }, cancellation);
        if (tables.Failures.Count > 0 && !toleratesTables)
        {
            await tables.DisposeAsync();
            return (null, Fault.Temporary("tables not available", string.Join('\n', tables.Failures)));
        }

        foreach (string failure in tables.Failures) HostingLog.TableFailed(parts.Logger, failure);
        // Answers of the DNS that are still good need not be asked for again.
        ReverseNames names = before is not null && before.Configuration.Resolvers.SequenceEqual(configuration.Resolvers)
            ? before.Names
            : new(new Resolver(configuration.Resolvers.Length > 0 ? [.. configuration.Resolvers] : null, HostsFile.Read(), parts.Time, parts.Logger), parts.Time);
        Serving serving = new(configuration, tables, parts, names);
        if (serving.Furnish(parts) is not { } fault) return (serving, null);
        await serving.DisposeAsync();
        return (null, fault);
    }

    /// <summary>Keeps it from being disposed until <see cref="Leave"/>; false when it is too late for that.</summary>
    public bool TryEnter()
    {
        for (int users = Volatile.Read(ref _users); users > 0;)
        {
            int found = Interlocked.CompareExchange(ref _users, users + 1, users);
            if (found == users) return true;
            users = found;
        }

        return false;
    }

    /// <summary>Somebody needs it no more; also called once when it is no longer in force.</summary>
    public void Leave()
    {
        if (Interlocked.Decrement(ref _users) == 0) Unused?.Invoke(this);
    }

    /// <summary>Finds the way of a bounce.</summary>
    public ValueTask<(Fault? Failure, IReadOnlyList<Envelope> Envelopes)> FindWayBackAsync(Envelope bounce, CancellationToken cancellation) =>
        _route.ResolveAsync(bounce, cancellation);

    /// <summary>What the dispatcher works by.</summary>
    public DispatcherOptions ForDispatcher() => new()
    {
        ServerName = Configuration.ServerName,
        Local = new()
        {
            MaxRunning = Configuration.Mda.MaxSessions,
            MaxPerDestination = Configuration.Mda.MaxSessionsPerUser,
            HighWater = Configuration.Mda.TaskHighWater,
            LowWater = Configuration.Mda.TaskLowWater,
            Release = Configuration.Mda.TaskRelease,
        },
        WarnIntervals = Configuration.WarnIntervals,
        BounceTimeToLive = Configuration.Queue.Ttl,
    };

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (FilterHost filter in _filters) await _hosts.ReleaseAsync(filter);
        await Tables.DisposeAsync();
    }

    private Fault? Furnish(EngineParts parts)
    {
        SessionProfiles profiles = new(Configuration, Tables, parts.Privileges, parts.Certificates, parts.Handshakes, parts.Logger);
        ReceivingServices services = new()
        {
            Queue = parts.Queue,
            Resolve = Recipients.ResolveAsync,
            FindName = Names.FindAsync,
            Time = parts.Time,
            Logger = parts.Logger,
            Counters = parts.Counters,
        };
        FilterEnvironment filtering = new()
        {
            Admd = Configuration.Admd,
            SpoolDirectory = Path.Combine(parts.State.Spool, "filters"),
            SessionTimeout = Configuration.Smtp.Limits.IdleTimeout,
            MaxMessageSize = Configuration.Smtp.MaxMessageSize,
            Time = parts.Time,
            Logger = parts.Logger,
        };
        _doors.Add(new(this, new UnixDomainSocketEndPoint(parts.State.SmtpSocket), new(profiles.ForSocket() with { Filters = Chain(Configuration.Socket.Filter, filtering), LocalPath = parts.State.SmtpSocket }, services)));
        foreach (ListenerConfiguration listener in Configuration.Listeners)
        {
            if (profiles.For(listener, out Fault? fault) is not { } profile) return fault;
            profile = profile with { Filters = Chain(listener.Filter, filtering) };
            foreach (IPEndPoint endPoint in listener.EndPoints)
            {
                if (_doors.Any(door => door.EndPoint.Equals(endPoint)))
                    return Fault.Permanent("listener twice", $"{listener.Position}: {endPoint} has a listener already");
                _doors.Add(new(this, endPoint, new(profile, services)));
            }
        }

        return null;
    }

    // The programs are started here and not at the first session, which would have to wait for them.
    private FilterChain? Chain(FilterDefinition? filter, FilterEnvironment environment) => filter is null ? null : FilterChain.Create(filter, Tables, process =>
    {
        FilterHost host = _hosts.Acquire(process, environment);
        _filters.Add(host);
        return host;
    }, environment);

    /// <summary>One address of this configuration, and what serves those who connect to it.</summary>
    internal sealed record Door(Serving Serving, EndPoint EndPoint, SmtpReceiver Receiver);
}

using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Posthouse.Server.Configuration;
using Posthouse.Server.Model;
using Posthouse.Server.Native;
using Posthouse.Server.Processes;
using Posthouse.Server.Queueing;
using Posthouse.Server.Transport;

namespace Posthouse.Server.Hosting;

/// <summary>
/// The process that stays what it was started as (root, usually) and never hears a byte from the network. It reads the
/// configuration, binds, starts the engine and the keeper of keys, and starts again what ends. What the engine asks of
/// it, deliveries above all, goes to <see cref="ParentCalls"/>.
/// </summary>
public sealed class Parent : IAsyncDisposable
{
    private static readonly TimeSpan s_pulse = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan s_silence = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan s_lockPatience = TimeSpan.FromSeconds(5);

    private readonly ServeOptions _options;
    private readonly bool _verbose;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly ChildStarter _starter = new(OwnExecutable.Default);
    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly CancellationTokenSource _stop = new();
    private readonly ListeningSockets _sockets;
    private readonly KeyKeeper _keys;
    private readonly ParentCalls _calls;
    private readonly OfflineMail _offline;
    private readonly InheritedSockets _inherited;
    private readonly ServiceNotification _supervisor;
    private ConfigurationReading _reading;
    private ServerUsers _users = ServerUsers.None;
    private SpoolLock? _lock;
    private EngineProcess? _engine;
    private Task _keeping = Task.CompletedTask;
    private bool _stopped;

    /// <summary>
    /// A parent that does nothing until started. <paramref name="reading"/> must be without errors; <paramref name="inherited"/> are sockets that a supervisor
    /// bound, and <paramref name="supervisor"/> is told how the server is.
    /// </summary>
    public Parent(
        ServeOptions options, ConfigurationReading reading, bool verbose, InheritedSockets inherited, ServiceNotification supervisor, MailLog log, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(log);
        _options = options;
        _reading = reading;
        _verbose = verbose;
        _supervisor = supervisor;
        _inherited = inherited;
        _sockets = new([.. inherited.Left.Select(each => inherited.Take(each.Address)!)]);
        _logger = log.CreateLogger("posthouse");
        _time = time;
        _keys = new(_starter, StatePreparation.EmptyOf(options.State), time, _logger);
        _calls = new(_ => ReloadAsync(), time, _logger);
        _offline = new(options.State, OwnExecutable.Default, () => _users, () => _reading.Configuration!.Smtp.MaxMessageSize, time, _logger);
    }

    /// <summary>Starts serving; answers the fault that keeps it from that, for the operator to read.</summary>
    public async Task<Fault?> StartAsync()
    {
        ServerConfiguration configuration = _reading.Configuration!;
        if (UnsupportedFeatures.Refuse(configuration, _options.IgnoreUnsupported, NullLogger.Instance) is { } unsupported) return unsupported;
        if (FindUsers() is { } missing) return missing;
        if (new StatePreparation(_options.State, _users.Engine, _logger).Prepare() is { } unusable) return unusable;
        (_lock, Fault? fault) = await SpoolLock.TakeAsync(_options.State, s_lockPatience, _time);
        if (_lock is null) return fault! with { Detail = $"{fault.Detail ?? fault.PublicText}: stop that server, or give this one another directory with --state" };
        foreach (string warning in _inherited.Warnings) ParentLog.NotInherited(_logger, warning);
        foreach (EndPoint unwanted in _sockets.Unwanted(configuration, _options.State)) ParentLog.NotInherited(_logger, $"nothing listens on {unwanted}");
        if (_sockets.Prepare(configuration, _options.State, out fault) is not { } change) return fault;

        (CertificateFilesWatch? certificates, fault) = await _keys.PrepareAsync(configuration);
        if (certificates is null) return fault;
        _keys.Use(certificates);
        await _calls.UseAsync(configuration, _users);
        change.Keep();
        _offline.Prepare();
        if (await StartEngineAsync(null) is { } failure) return failure;
        _keeping = Task.WhenAll(
            KeepEngineAsync(), FeelPulseAsync(), TellSupervisorAsync(), _keys.RunAsync(() => _engine?.Channel, _stop.Token), _offline.RunAsync(_stop.Token),
            OrphanReaper.RunAsync(_time, _logger, _stop.Token));
        _supervisor.Ready("serving");
        return null;
    }

    /// <summary>
    /// Reads the configuration again and serves by it. One that has errors, or cannot be served (a port is taken, a key
    /// does not fit its certificate), changes nothing. Never throws.
    /// </summary>
    public async ValueTask<ReloadResult> ReloadAsync()
    {
        await _turn.WaitAsync();
        try
        {
            _supervisor.Reloading();
            ReloadResult result = _engine is null ? ReloadResult.Refused(Fault.Temporary("not reloaded", "the server has not started yet")) : await ApplyAsync(_reading.ReadAgain());
            foreach (string line in result.Fault is { } fault ? (fault.Detail ?? fault.PublicText).Split('\n') : [])
                HostingLog.ReloadRefused(_logger, line);
            return result;
        }
        finally
        {
            _supervisor.Ready("serving");
            _turn.Release();
        }
    }

    /// <summary>Ends everything in good order; mail that is coming in gets half a minute.</summary>
    public async Task StopAsync()
    {
        if (_stopped) return;
        _stopped = true;
        _supervisor.Stopping();
        await _stop.CancelAsync();
        await _turn.WaitAsync();
        // The engine closes its own; while one is open, connections would wait for nobody.
        _sockets.Dispose();
        if (_engine is not null) await _engine.StopAsync();
        await _keeping;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        _engine?.Dispose();
        _calls.Dispose();
        _keys.Dispose();
        _lock?.Dispose();
        _stop.Dispose();
        _turn.Dispose();
    }

    private async Task<ReloadResult> ApplyAsync(ConfigurationReading reading)
    {
        if (reading.Configuration is not { } next)
            return Refuse(Fault.Permanent("not reloaded", string.Join('\n', reading.Result.Diagnostics.Where(static one => one.Severity == DiagnosticSeverity.Error))));
        if (UnsupportedFeatures.Refuse(next, _options.IgnoreUnsupported, NullLogger.Instance) is { } unsupported) return Refuse(unsupported);
        if (_sockets.Prepare(next, _options.State, out Fault? fault) is not { } change) return Refuse(fault!);
        (CertificateFilesWatch? certificates, fault) = await _keys.PrepareAsync(next);
        // Before the engine: what a new delivery asks for must be found.
        if (fault is null) await _calls.PrepareAsync(next);
        ReloadResult result = fault is null ? await OrderAsync(Orders(reading, certificates!.Current, null), change) : Refuse(fault);
        if (result.Fault is not null)
        {
            change.GiveUp();
            await _calls.GiveUpAsync();
            return result;
        }
        change.Keep();
        await _calls.KeepAsync();
        _keys.Use(certificates!);
        _reading = reading;
        return result;

        static ReloadResult Refuse(Fault fault) => ReloadResult.Refused(fault);
    }

    // An engine that dies at it is started again by the new configuration, with which nothing is wrong as far as is known.
    private async Task<ReloadResult> OrderAsync(EngineOrders orders, ListeningSockets.Change change)
    {
        if (_engine!.Process.Ended.IsCompleted) return new(null, []);
        try
        {
            // The first certificate starts the keys process.
            if (_keys.IsToBeConnected) await _keys.ConnectAsync(_engine.Channel);
            return await _engine.OrderAsync(orders, change.Added, first: false);
        }
        catch (IOException error)
        {
            // Without memory for the orders: whoever asked gets an answer, and what was prepared is given up.
            return ReloadResult.Refused(Fault.Temporary("not reloaded", $"cannot tell the engine: {error.Message}"));
        }
    }

    private Fault? FindUsers()
    {
        if (!SystemAccounts.IsRoot) return null;
        UserAccount?[] accounts = [.. _options.Users.All.Select(static name => SystemAccounts.Find(name, out _))];
        string[] missing = [.. _options.Users.All.Where((_, i) => accounts[i] is null).Distinct()];
        if (missing.Length > 0)
        {
            return Fault.Permanent("users missing",
                $"started by root, but these users do not exist: {string.Join(", ", missing)}\nposthouse: make them (adduser --system --no-create-home), or name others with --users ENGINE,KEYS,PLUG,MDA");
        }
        if (accounts.FirstOrDefault(static account => account!.Uid == 0) is { } root)
            return Fault.Permanent("users are root", $"{root.Name} is root, and the server's users must not be: name others with --users ENGINE,KEYS,PLUG,MDA");

        _users = new(accounts[0], accounts[1], accounts[2], accounts[3]);
        _keys.User = _users.Keys;
        return null;
    }

    private EngineOrders Orders(ConfigurationReading reading, CertificateTexts certificates, ProcessEnd? predecessor) => new()
    {
        Options = _options,
        Owner = SystemAccounts.EffectiveUser,
        Verbose = _verbose,
        Predecessor = predecessor,
        Reading = reading,
        Certificates = certificates,
    };

    private async Task<Fault?> StartEngineAsync(ProcessEnd? predecessor)
    {
        (EngineProcess? engine, string? failure) = await Task.Factory.StartNew(
            () => (EngineProcess.Start(_starter, _users.Engine, _options.State, _lock!.File, _calls.ForEngine(), _logger, out string? why), why),
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        if (engine is null) return Fault.Temporary("no engine", $"cannot start the engine: {failure}");
        try
        {
            await _keys.ConnectAsync(engine.Channel);
            ReloadResult result = await engine.OrderAsync(Orders(_reading, _keys.Current, predecessor), _sockets.Open, first: true, _stop.Token);
            if (result.Fault is null) _engine = engine;
            return result.Fault;
        }
        finally
        {
            // There must never be two of them on one spool.
            if (_engine != engine)
            {
                engine.Dispose();
                await engine.Process.Ended;
            }
        }
    }

    private async Task KeepEngineAsync()
    {
        while (true)
        {
            EngineProcess engine = _engine!;
            long started = _time.GetTimestamp();
            await Task.WhenAny(engine.Process.Ended, engine.Channel.Ended);
            engine.Dispose();
            ProcessEnd end = await engine.Process.Ended;
            _calls.EngineEnded();
            if (_stop.IsCancellationRequested) return;
            ParentLog.ProcessEnded(_logger, "engine", end.ToString());
            RestartPause pause = RestartPause.After(_time.GetElapsedTime(started));
            while (!await TryRestartAsync(end, pause.Length))
            {
                if (_stop.IsCancellationRequested) return;
                pause = pause.AfterFailure();
            }
        }
    }

    private async Task<bool> TryRestartAsync(ProcessEnd end, TimeSpan pause)
    {
        try
        {
            await Task.Delay(pause, _time, _stop.Token);
            await _turn.WaitAsync(_stop.Token);
        }
        catch (OperationCanceledException)
        {
            return false;
        }
        try
        {
            Fault? fault = await StartEngineAsync(end);
            if (fault is null) ParentLog.ProcessStarted(_logger, "engine");
            else ParentLog.ProcessNotStarted(_logger, "engine", fault.Detail ?? fault.PublicText);
            return fault is null;
        }
        catch (OperationCanceledException)
        {
            // Told to stop: an engine that is still reading a long queue need not come to its end.
            return false;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or SocketException or InvalidOperationException)
        {
            // No descriptors or memory, say: that passes, and then there must be somebody who tries again.
            ParentLog.ProcessNotStarted(_logger, "engine", error.Message);
            return false;
        }
        finally
        {
            _turn.Release();
        }
    }

    private async Task TellSupervisorAsync()
    {
        if (_supervisor.WatchdogTimeout is not { } limit) return;
        using PeriodicTimer timer = new(limit / 3, _time);
        try
        {
            while (await timer.WaitForNextTickAsync(_stop.Token)) _supervisor.Watchdog();
        }
        catch (OperationCanceledException)
        {
            // The server stops.
        }
    }

    // An engine that lives but does nothing any more is as bad as a dead one.
    private async Task FeelPulseAsync()
    {
        using PeriodicTimer timer = new(s_pulse, _time);
        try
        {
            while (await timer.WaitForNextTickAsync(_stop.Token))
            {
                EngineProcess engine = _engine!;
                using ChannelAnswer? answer = await engine.Channel.AskAsync(MessageKind.Ping, default, s_silence, _stop.Token);
                if (answer is not null || engine.Channel.Ended.IsCompleted) continue;
                ParentLog.EngineSilent(_logger, s_silence.TotalSeconds);
                engine.Process.Kill();
            }
        }
        catch (OperationCanceledException)
        {
            // The server stops.
        }
    }
}

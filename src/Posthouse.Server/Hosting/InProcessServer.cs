using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Posthouse.Server.Configuration;
using Posthouse.Server.Delivering.Local;
using Posthouse.Server.Model;
using Posthouse.Server.Native;
using Posthouse.Server.Processes;
using Posthouse.Server.Queueing;

namespace Posthouse.Server.Hosting;

/// <summary>A server and what starts it, in one process: takes the state directory, binds, reads the configuration again when told to.</summary>
public sealed class InProcessServer : IAsyncDisposable
{
    private const int DuplicateCloseOnExec = 1030;

    private readonly ServeOptions _options;
    private readonly Func<ConfigurationResult> _read;
    private readonly MailLog _log;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly SemaphoreSlim _reloading = new(1, 1);
    private readonly ListeningSockets _sockets = new();
    private SpoolLock? _lock;
    private LocalCertificates? _certificates;
    private MailServer? _server;

    /// <summary>A server that does nothing until started; <paramref name="read"/> reads the configuration anew.</summary>
    public InProcessServer(ServeOptions options, Func<ConfigurationResult> read, MailLog log, TimeProvider time)
    {
        _options = options;
        _read = read;
        _log = log;
        _time = time;
        _logger = log.CreateLogger("posthouse");
    }

    /// <summary>The server itself, once it is started.</summary>
    public MailServer? Server => _server;

    /// <summary>Starts serving; answers the fault that keeps it from that, for the operator to read.</summary>
    public async Task<Fault?> StartAsync(ServerConfiguration configuration)
    {
        if (FindUsers(out ServerUsers users) is { } missing) return missing;
        if (TakeState() is { } taken) return taken;
        _certificates = new(_time, _logger);
        if (await _certificates.UseAsync(configuration) is { } unusable) return unusable;
        if (_sockets.Prepare(configuration, _options.State, out Fault? fault) is null) return fault;
        _server = new(new()
        {
            Serve = _options,
            Privileges = settings => new InProcessPrivileges(settings, _time, _logger),
            Reload = _ => ReloadAsync(),
            Certificates = _certificates.Store,
            Users = users,
        }, _log, _time);
        return await _server.StartAsync(configuration, Copies(_sockets.Open));
    }

    /// <summary>Reads the configuration again and serves by it; when anything is wrong with it, the old one stays.</summary>
    public async ValueTask<ReloadResult> ReloadAsync()
    {
        await _reloading.WaitAsync();
        try
        {
            ReloadResult result = await TryReloadAsync();
            foreach (string line in result.Fault is { } fault ? (fault.Detail ?? fault.PublicText).Split('\n') : [])
                HostingLog.ReloadRefused(_logger, line);
            return result;
        }
        finally
        {
            _reloading.Release();
        }
    }

    /// <summary>Stops serving in good order.</summary>
    public Task StopAsync() => _server?.StopAsync() ?? Task.CompletedTask;

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_server is not null) await _server.DisposeAsync();
        _certificates?.Dispose();
        _sockets.Dispose();
        _lock?.Dispose();
        _reloading.Dispose();
    }

    private async Task<ReloadResult> TryReloadAsync()
    {
        if (_server is null) return ReloadResult.Refused(Fault.Temporary("not reloaded", "the server has not started yet"));
        ConfigurationResult read = _read();
        if (read.Configuration is not { } configuration)
            return ReloadResult.Refused(Fault.Permanent("not reloaded", string.Join('\n', read.Diagnostics.Where(static one => one.Severity == DiagnosticSeverity.Error))));
        if (await _certificates!.UseAsync(configuration) is { } unusable) return ReloadResult.Refused(unusable);
        if (_sockets.Prepare(configuration, _options.State, out Fault? fault) is not { } change) return ReloadResult.Refused(fault!);
        ReloadResult result = await _server.ApplyAsync(configuration, Copies(change.Added));
        if (result.Fault is null) change.Keep();
        else change.GiveUp();
        return result;
    }

    // As if they went to another process: each side closes its own.
    private static IReadOnlyList<(EndPoint EndPoint, Socket Socket)> Copies(IReadOnlyList<(EndPoint EndPoint, Socket Socket)> sockets) =>
        [.. sockets.Select(static one => (one.EndPoint, new Socket(new SafeSocketHandle(Libc.fcntl((int)one.Socket.Handle, DuplicateCloseOnExec, 0), ownsHandle: true))))];

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
}

using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;
using Posthouse.Server.Delivering.Local;
using Posthouse.Server.Model;
using Posthouse.Server.Native;
using Posthouse.Server.Processes;
using Posthouse.Server.Transport;
using Posthouse.Server.Transport.Keys;

namespace Posthouse.Server.Hosting;

/// <summary>
/// The engine's side of the conversation with its parent: takes orders, and ends at once when the parent has gone, so
/// that there are never two engines on one spool.
/// </summary>
internal sealed class EngineRole
{
    private const int MaxSockets = 10_000;
    private const int Orphaned = 70;

    private static readonly TimeSpan s_reload = TimeSpan.FromMinutes(2);

    private readonly MailLog _log;
    private readonly ILogger _logger;
    private readonly Channel _channel;
    private readonly List<(EndPoint EndPoint, Socket Socket)> _sockets = [];
    private readonly TaskCompletionSource _stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly SemaphoreSlim _turn = new(1, 1);
    private readonly SigningSockets _signer;
    private readonly CertificateStore _certificates;
    private EnginePrivileges? _privileges;
    private MailServer? _server;

    private EngineRole(MailLog log)
    {
        _log = log;
        _logger = log.CreateLogger("posthouse");
        _signer = new(TimeProvider.System, _logger);
        _certificates = new(_signer, _logger);
        _channel = new(EngineProcess.ChannelDescriptor, "the parent", ServeAsync, _logger);
    }

    /// <summary>Whether these are the arguments of an engine.</summary>
    internal static bool IsRequested(IReadOnlyList<string> arguments) => arguments is [EngineProcess.Argument];

    /// <summary>Serves until told to stop; answers the exit code.</summary>
    internal static int Run()
    {
        ProcessIdentity.ForbidInspection();
        using Stream error = Console.OpenStandardError();
        using MailLog log = new(error, TimeProvider.System, Environment.GetEnvironmentVariable("POSTHOUSE_LOG") == "json");
        EngineRole role = new(log);
        _ = role.EndWithParentAsync();
        role._stopped.Task.GetAwaiter().GetResult();
        return 0;
    }

    private async Task EndWithParentAsync()
    {
        await _channel.Ended;
        // Another parent may be starting already: whatever is under way here must not go on beside its engine.
        if (!_stopped.Task.IsCompleted) ProcessIdentity.EndAtOnce(Orphaned);
    }

    private async ValueTask<ChannelAnswer> ServeAsync(ChannelRequest request, CancellationToken cancellation)
    {
        switch (request.Kind)
        {
            case MessageKind.Ping:
                return ChannelAnswer.Empty;
            case MessageKind.SigningSockets:
                int[] signing = new int[request.DescriptorCount];
                for (int i = 0; i < signing.Length; i++) signing[i] = request.TakeDescriptor(i);
                _signer.Replace(signing);
                return ChannelAnswer.Empty;
            case MessageKind.Certificates:
                Update(request);
                return ChannelAnswer.Empty;
            case MessageKind.Sockets:
                return Take(request);
            case MessageKind.Configure:
                await _turn.WaitAsync(cancellation);
                try
                {
                    return new(ReloadAnswer.ToBytes(await ObeyAsync(request)));
                }
                finally
                {
                    _turn.Release();
                }
            case MessageKind.Stop:
                await _turn.WaitAsync(cancellation);
                if (_server is not null) await _server.StopAsync();
                _stopped.TrySetResult();
                return ChannelAnswer.Empty;
            default:
                throw new InvalidOperationException($"the parent asked {request.Kind}");
        }
    }

    private ChannelAnswer Take(ChannelRequest request)
    {
        PayloadReader reader = new(request.Payload.Span);
        int count = reader.Count(MaxSockets);
        for (int i = 0; i < Math.Min(count, request.DescriptorCount); i++)
        {
            string name = reader.Text(4096);
            EndPoint? endPoint = name.StartsWith('/') ? new UnixDomainSocketEndPoint(name) : IPEndPoint.TryParse(name, out IPEndPoint? network) ? network : null;
            if (endPoint is not null) _sockets.Add((endPoint, new Socket(new SafeSocketHandle(request.TakeDescriptor(i), ownsHandle: true))));
        }
        return ChannelAnswer.Empty;
    }

    private void Update(ChannelRequest request)
    {
        if (request.DescriptorCount == 0) return;
        using SafeFileHandle file = new(request.TakeDescriptor(0), ownsHandle: true);
        PayloadReader reader = new(MemoryFile.Read(file, CertificateMessage.MaxSize));
        CertificateTexts texts = CertificateMessage.Read(ref reader);
        if (reader.IsWhole) _certificates.Update(texts);
    }

    private async ValueTask<ReloadResult> ReloadAsync(CancellationToken cancellation)
    {
        using ChannelAnswer? answer = await _channel.AskAsync(MessageKind.Reload, default, s_reload, cancellation);
        return (answer is null ? null : ReloadAnswer.Parse(answer.Payload.Span)) ?? ReloadResult.Refused(Fault.Temporary("not reloaded", "the parent process does not answer"));
    }

    // The way to the spool may be closed to this user; but we are in it, and from there on it is ours.
    private static StateDirectory Reachable(StateDirectory state) => Directory.Exists(state.Spool) ? state : state with { Spool = "/proc/self/cwd" };

    private void SaySandbox()
    {
        if (Landlock.Version == 0) ParentLog.NotRestricted(_logger, "engine", "Landlock", "the kernel has none");
        if (!Seccomp.Install(SeccompProfile.Engine, out string? why)) ParentLog.NotRestricted(_logger, "engine", "seccomp", why ?? "");
    }

    private async Task<ReloadResult> ObeyAsync(ChannelRequest request)
    {
        if (request.DescriptorCount == 0) return ReloadResult.Refused(Fault.Permanent("no orders"));
        using SafeFileHandle file = new(request.TakeDescriptor(0), ownsHandle: true);
        if (MemoryFile.Read(file, EngineOrders.MaxSize) is not { } bytes || EngineOrders.Parse(bytes) is not { Reading.Configuration: { } configuration } orders)
            return ReloadResult.Refused(Fault.Permanent("malformed orders"));
        (EndPoint, Socket)[] sockets = [.. _sockets];
        _sockets.Clear();
        _certificates.Update(orders.Certificates);
        if (_server is not null)
        {
            ReloadResult result = await _server.ApplyAsync(configuration, sockets);
            // Mail may have to go elsewhere now.
            _privileges?.ForgetConfiguration();
            return result;
        }
        SaySandbox();
        if (orders.Verbose) _log.Level = LogLevel.Debug;
        _server = new(new()
        {
            Serve = orders.Options with { State = Reachable(orders.Options.State) },
            Privileges = settings => _privileges = new(_channel, settings.ProgramLimit, TimeProvider.System),
            Reload = ReloadAsync,
            Plugs = new RemotePlugStarter(_channel),
            TableFiles = new RemoteTableFiles(_channel),
            CopiesDatabases = true,
            Certificates = _certificates,
            Owner = orders.Owner,
            PredecessorCrashed = orders.Predecessor is { IsCrash: true },
        }, _log, TimeProvider.System);
        return await _server.StartAsync(configuration, sockets) is { } fault ? ReloadResult.Refused(fault) : new(null, []);
    }
}

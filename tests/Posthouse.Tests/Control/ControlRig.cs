using System.Net.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using Posthouse.Plugs;
using Posthouse.Server.Control;
using Posthouse.Server.Model;
using Posthouse.Server.Transport;
using Posthouse.Tests.Delivering;

namespace Posthouse.Tests.Control;

/// <summary>A control socket in a state directory of its own, with a dispatcher and a queue behind it.</summary>
internal sealed class ControlRig : IServerControls, IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly DeadlineWatch _watch;
    private readonly Listener _listener;
    private readonly Task _running;

    public ControlRig(int maxClients = 10, int maxPerUser = 10, bool standsStill = false)
    {
        _watch = new(standsStill ? Mail.Time : TimeProvider.System);
        State = new StateDirectory(Directory.CreateTempSubdirectory("posthouse-control-").FullName);
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(State.ControlSocket));
        socket.Listen();
        Server = new ControlServer(new ControlActions(Mail.Dispatcher, this, Mail.Counters, Mail.Time), Mail.Counters, Mail.Log)
        {
            MaxClientsPerUser = maxPerUser,
            Time = Mail.Time,
        };
        _listener = new Listener(socket, _watch, new SessionLimiter(maxClients, maxClients), Server.ServeAsync, NullLogger.Instance);
        _running = _listener.RunAsync(_stop.Token);
    }

    public DispatcherRig Mail { get; } = new();

    public ControlServer Server { get; }

    public StateDirectory State { get; }

    public bool IsSmtpPaused { get; set; }

    public IReadOnlyList<Posthouse.Server.Filtering.FilterStatus> Filters { get; set; } = [];

    public bool IsVerbose { get; set; }

    public List<string> Calls { get; } = [];

    public bool Trace(string subsystem, bool on)
    {
        Calls.Add($"trace {subsystem} {on}");
        return subsystem == "smtp";
    }

    public ValueTask<TableResult> UpdateTableAsync(string name, CancellationToken cancellation) =>
        new(name switch { "aliases" => TableResult.Found(), "broken" => TableResult.Error("line 3"), _ => TableResult.NotFound });

    public ValueTask<ReloadResult> ReloadAsync(CancellationToken cancellation) => new(Reloaded);

    public ReloadResult Reloaded { get; set; } = ReloadResult.Refused(Fault.Permanent("not reloaded", "smtpd.conf:1:1: syntax error"));

    public ControlClient Connect()
    {
        ControlClient? client = ControlClient.Connect(State, out Fault? fault);
        Assert.Null(fault);
        return client!;
    }

    public Socket ConnectRaw()
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        socket.Connect(new UnixDomainSocketEndPoint(State.ControlSocket));
        return socket;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running;
        _listener.Dispose();
        _watch.InterruptAll();
        await Mail.DisposeAsync();
        Directory.Delete(State.Path, true);
        _stop.Dispose();
    }
}

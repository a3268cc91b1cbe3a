using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Posthouse.Plugs;
using Posthouse.Server.Configuration;
using Posthouse.Server.Control;
using Posthouse.Server.Hosting;
using Posthouse.Server.Model;
using Posthouse.Server.Native;
using Posthouse.Server.Processes;
using Posthouse.Server.Tables;

namespace Posthouse.Tests.Hosting;

/// <summary>
/// A whole server in a directory of its own, with real sockets, whose deliveries go nowhere but into <see cref="Delivered"/>. In configurations
/// <c>{dir}</c> is the directory, <c>{a}</c>, <c>{b}</c> and <c>{c}</c> are ports.
/// </summary>
internal sealed class EngineRig : IPrivileges, IAsyncDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    private readonly LogLines _lines = new();
    private readonly ListeningSockets _sockets = new();
    private readonly MailLog _log;
    private readonly int[] _ports = [FreePort(), FreePort(), FreePort()];

    public EngineRig(ITableFiles? tables = null)
    {
        State = new(Folder);
        Directory.CreateDirectory(State.Spool);
        _log = new(_lines, TimeProvider.System);
        Server = new(new()
        {
            Serve = new() { State = State },
            Privileges = _ => this,
            Reload = _ => new(ReloadResult.Refused(Fault.Temporary("not here"))),
            TableFiles = tables ?? DirectTableFiles.Instance,
        }, _log, TimeProvider.System);
    }

    public string Folder { get; } = Directory.CreateTempSubdirectory("posthouse-engine-").FullName;

    public StateDirectory State { get; }

    public MailServer Server { get; }

    /// <summary>Action and recipient of what was delivered.</summary>
    public ConcurrentBag<(string Action, string Recipient)> Delivered { get; } = [];

    /// <summary>What a delivery waits for.</summary>
    public Task Gate { get; set; } = Task.CompletedTask;

    public int A => _ports[0];

    public int B => _ports[1];

    public int C => _ports[2];

    public string Log
    {
        get
        {
            lock (_lines) return Encoding.UTF8.GetString(_lines.ToArray());
        }
    }

    /// <summary>A configuration that listens on A and takes the mail of a domain by an action of that name.</summary>
    public static string Taking(string domain, string before = "") => $$"""
        {{before}}
        listen on 127.0.0.1 port {a}
        table everybody { "@" = "nobody" }
        action "{{domain}}" maildir "/dev/null" virtual <everybody>
        match from any for domain "{{domain}}" action "{{domain}}"
        """;

    public static async Task<EngineRig> StartAsync(string configuration)
    {
        EngineRig rig = new();
        await rig.BeginAsync(configuration);
        return rig;
    }

    public async Task BeginAsync(string configuration)
    {
        ServerConfiguration parsed = Parse(configuration);
        Assert.NotNull(_sockets.Prepare(parsed, State, out _));
        Assert.Null(await Server.StartAsync(parsed, Copies(_sockets.Open)));
    }

    /// <summary>Has everything in the queue tried now.</summary>
    public Task ScheduleAsync() => ControlAsync(ControlVerb.Schedule, "all");

    /// <summary>Has everything in the queue tried, again and again, until something is so.</summary>
    public async Task TryUntilAsync(Func<bool> condition, string what)
    {
        using CancellationTokenSource deadline = new(s_patience);
        using PeriodicTimer poll = new(TimeSpan.FromMilliseconds(50));
        while (!condition())
        {
            Assert.False(deadline.IsCancellationRequested, $"not within {s_patience.TotalSeconds} s: {what}; the log:\n{Log}");
            await ScheduleAsync();
            await poll.WaitForNextTickAsync();
        }
    }

    /// <summary>Asks by the control socket for something that must be done.</summary>
    public async Task ControlAsync(string verb, string argument)
    {
        using ControlClient? control = ControlClient.Connect(State, out _);
        Assert.True(await Task.Run(() => control!.Ask(new ControlRequest(verb, argument)).Last().Ok));
    }

    /// <summary>Does what the parent does at a reload.</summary>
    public async Task<ReloadResult> ReloadAsync(string configuration)
    {
        ServerConfiguration parsed = Parse(configuration);
        if (_sockets.Prepare(parsed, State, out Fault? fault) is not { } change) return ReloadResult.Refused(fault!);
        ReloadResult result = await Server.ApplyAsync(parsed, Copies(change.Added));
        if (result.Fault is null) change.Keep();
        else change.GiveUp();
        return result;
    }

    public async Task ReloadedAsync(string configuration) => Assert.Equal(new(null, []), await ReloadAsync(configuration) with { Unchanged = [] });

    public ServerConfiguration Parse(string configuration)
    {
        string text = configuration.Replace("{dir}", Folder, StringComparison.Ordinal).Replace("{a}", $"{A}", StringComparison.Ordinal)
            .Replace("{b}", $"{B}", StringComparison.Ordinal).Replace("{c}", $"{C}", StringComparison.Ordinal) + "\n";
        ConfigurationResult result = ConfigurationParser.ParseText(text, "smtpd.conf", null, new SystemConfigurationEnvironment());
        Assert.True(result.Configuration is not null, string.Join('\n', result.Diagnostics));
        return result.Configuration;
    }

    public async Task<EngineClient> ConnectAsync(int port)
    {
        EngineClient client = await EngineClient.ConnectAsync(new IPEndPoint(IPAddress.Loopback, port));
        Assert.StartsWith("220 ", await client.ReadAsync(), StringComparison.Ordinal);
        await client.SayAsync("EHLO client.example.net", "250");
        return client;
    }

    /// <summary>Whether nobody listens there.</summary>
    public static async Task<bool> IsRefusedAsync(int port)
    {
        using Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(IPAddress.Loopback, port);
            return false;
        }
        catch (SocketException error) when (error.SocketErrorCode == SocketError.ConnectionRefused)
        {
            return true;
        }
    }

    public static async Task UntilAsync(Func<bool> condition, string what)
    {
        using CancellationTokenSource deadline = new(s_patience);
        using PeriodicTimer poll = new(TimeSpan.FromMilliseconds(10));
        while (!condition())
        {
            Assert.False(deadline.IsCancellationRequested, $"not within {s_patience.TotalSeconds} s: {what}");
            await poll.WaitForNextTickAsync();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Server.DisposeAsync();
        _sockets.Dispose();
        _log.Dispose();
        Directory.Delete(Folder, recursive: true);
    }

    ValueTask<ForwardFile> IExpansionFiles.ReadForwardAsync(string action, string user, CancellationToken cancellation) => new(ForwardFile.Absent);

    ValueTask<IncludedFile> IExpansionFiles.OpenIncludeAsync(string action, string key, int index, CancellationToken cancellation) => throw new InvalidOperationException();

    void IPrivileges.ForgetConfiguration()
    {
    }

    ValueTask<PasswordVerdict> IPrivileges.CheckPasswordAsync(string user, string password, CancellationToken cancellation) => throw new InvalidOperationException();

    async ValueTask<DeliveryResult> IPrivileges.DeliverToFileAsync(FileDelivery delivery, CancellationToken cancellation)
    {
        await Gate.WaitAsync(cancellation);
        Delivered.Add((delivery.Envelope.Action, delivery.Envelope.Recipient));
        return DeliveryResult.Delivered("Delivered");
    }

    // As the parent answers for an entry that is not there.
    ValueTask<DeliveryStart> IPrivileges.StartDeliveryAsync(Envelope envelope, CancellationToken cancellation) => new(new DeliveryStart(null, Fault.Temporary($"{envelope.Source} is gone", null, 3, 5)));

    private static IReadOnlyList<(EndPoint EndPoint, Socket Socket)> Copies(IReadOnlyList<(EndPoint EndPoint, Socket Socket)> sockets) =>
        [.. sockets.Select(static one => (one.EndPoint, new Socket(new SafeSocketHandle(Libc.fcntl((int)one.Socket.Handle, 1030, 0), ownsHandle: true))))];

    // Outside the range from which the system takes those of outgoing connections, so that nobody gets it meanwhile.
    private static int FreePort()
    {
        while (true)
        {
            int port = Random.Shared.Next(12_000, 32_000);
            try
            {
                using Socket socket = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
                socket.Bind(new IPEndPoint(IPAddress.Loopback, port));
                return port;
            }
            catch (SocketException)
            {
                // Taken; there are others.
            }
        }
    }

    private sealed class LogLines : MemoryStream
    {
        public override void Write(ReadOnlySpan<byte> buffer)
        {
            lock (this) base.Write(buffer);
        }

        public override void Write(byte[] buffer, int offset, int count)
        {
            lock (this) base.Write(buffer, offset, count);
        }
    }
}

using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text;

namespace Posthouse.Server.Processes;

/// <summary>
/// Tells the supervisor that started the server how it is, by the protocol of sd_notify(3). Without one (no
/// <c>NOTIFY_SOCKET</c>) nothing is sent. What cannot be sent is not sent: the supervisor draws its own conclusions.
/// </summary>
public sealed class ServiceNotification : IDisposable
{
    private readonly Socket? _socket;
    private readonly UnixDomainSocketEndPoint? _address;

    private ServiceNotification(UnixDomainSocketEndPoint? address, TimeSpan? watchdog)
    {
        _address = address;
        WatchdogTimeout = watchdog;
        if (address is not null) _socket = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified) { Blocking = false };
    }

    /// <summary>Whether somebody listens.</summary>
    public bool IsSupervised => _socket is not null;

    /// <summary>The silence after which the supervisor kills the server, when it watches: call <see cref="Watchdog"/> at least twice as often.</summary>
    public TimeSpan? WatchdogTimeout { get; }

    /// <summary>Takes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID out of the environment, so that nothing the server starts has them.</summary>
    public static ServiceNotification FromEnvironment() => Create(InheritedSockets.TakeVariable, Environment.ProcessId);

    internal static ServiceNotification Create(Func<string, string?> take, int process)
    {
        string? path = take("NOTIFY_SOCKET"), limit = take("WATCHDOG_USEC"), watched = take("WATCHDOG_PID");
        UnixDomainSocketEndPoint? address = Address(path);
        bool isWatched = address is not null && (watched is null || watched == process.ToString(CultureInfo.InvariantCulture));
        TimeSpan? watchdog = isWatched && ulong.TryParse(limit, NumberStyles.None, CultureInfo.InvariantCulture, out ulong microseconds) && microseconds is > 0 and <= 1UL << 50
            ? TimeSpan.FromMicroseconds(microseconds) : null;
        return new(address, watchdog);
    }

    /// <summary>The server serves (or does again after a reload).</summary>
    public void Ready(string status) => Send($"READY=1\nSTATUS={Line(status)}");

    /// <summary>It reads its configuration again; <see cref="Ready"/> says when that is over, whatever came of it.</summary>
    public void Reloading() => Send(string.Create(CultureInfo.InvariantCulture, $"RELOADING=1\nMONOTONIC_USEC={Stopwatch.GetTimestamp() / (Stopwatch.Frequency / 1_000_000)}"));

    /// <summary>It is on its way out.</summary>
    public void Stopping() => Send("STOPPING=1\nSTATUS=stopping");

    /// <summary>A line about how it is, for the operator.</summary>
    public void Status(string status) => Send($"STATUS={Line(status)}");

    /// <summary>It is alive.</summary>
    public void Watchdog() => Send("WATCHDOG=1");

    /// <inheritdoc/>
    public void Dispose() => _socket?.Dispose();

    // A path, or the name of an abstract socket with @ before it.
    private static UnixDomainSocketEndPoint? Address(string? path)
    {
        if (path is not ['/' or '@', _, ..] || Encoding.UTF8.GetByteCount(path) > 107) return null;
        return new(path[0] == '@' ? "\0" + path[1..] : path);
    }

    private static string Line(string text) => text.ReplaceLineEndings(" ");

    private void Send(string message)
    {
        try
        {
            _socket?.SendTo(Encoding.UTF8.GetBytes(message), _address!);
        }
        catch (SocketException)
        {
            // See above.
        }
    }
}

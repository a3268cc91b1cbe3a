using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Posthouse.Server.Native;

namespace Posthouse.Server.Processes;

/// <summary>
/// Listening sockets that a supervisor bound before it started the server (sd_listen_fds(3)): the descriptors from 3 on.
/// They are not passed on to anything that the server starts, except where it hands one over.
/// </summary>
public sealed class InheritedSockets : IDisposable
{
    private const int FirstDescriptor = 3;
    private const int MostDescriptors = 1024;
    private const int SetDescriptorFlags = 2;
    private const int CloseOnExec = 1;

    private readonly List<(EndPoint Address, string Name, Socket Socket)> _sockets = [];

    private InheritedSockets(IReadOnlyList<string> warnings) => Warnings = warnings;

    /// <summary>The addresses of those not taken yet, with the names that the supervisor gave them (empty without).</summary>
    public IReadOnlyList<(EndPoint Address, string Name)> Left => [.. _sockets.Select(static socket => (socket.Address, socket.Name))];

    /// <summary>What was wrong with descriptors that were handed over, and closed therefore; for the log.</summary>
    public IReadOnlyList<string> Warnings { get; }

    /// <summary>
    /// Takes LISTEN_FDS, LISTEN_PID and LISTEN_FDNAMES out of the environment, and the descriptors if they are meant for
    /// this process. Must be called before anything is opened that could be mistaken for one, and once.
    /// </summary>
    public static InheritedSockets FromEnvironment() => Create(TakeVariable, Environment.ProcessId, FirstDescriptor);

    internal static InheritedSockets Create(Func<string, string?> take, int process, int first)
    {
        string? count = take("LISTEN_FDS"), meant = take("LISTEN_PID"), names = take("LISTEN_FDNAMES");
        List<string> warnings = [];
        InheritedSockets sockets = new(warnings);
        if (meant != process.ToString(CultureInfo.InvariantCulture)) return sockets;
        if (!int.TryParse(count, NumberStyles.None, CultureInfo.InvariantCulture, out int number) || number > MostDescriptors)
        {
            warnings.Add("LISTEN_FDS is not a number of descriptors");
            return sockets;
        }
        string[] words = names?.Split(':') ?? [];
        for (int i = 0; i < number; i++) sockets.Add(first + i, i < words.Length ? words[i] : "", warnings);
        return sockets;
    }

    /// <summary>The socket that is bound to an address, which is the caller's from now on; null if none was handed over.</summary>
    public Socket? Take(EndPoint address)
    {
        int index = _sockets.FindIndex(socket => Same(socket.Address, address));
        if (index < 0) return null;
        Socket socket = _sockets[index].Socket;
        _sockets.RemoveAt(index);
        return socket;
    }

    /// <summary>Closes those that nobody took.</summary>
    public void Dispose()
    {
        foreach ((_, _, Socket socket) in _sockets) socket.Dispose();
        _sockets.Clear();
    }

    /// <summary>Reads a variable of this process and removes it.</summary>
    internal static string? TakeVariable(string name)
    {
        string? value = Environment.GetEnvironmentVariable(name);
        if (value is not null) Environment.SetEnvironmentVariable(name, null);
        return value;
    }

    private void Add(int descriptor, string name, List<string> warnings)
    {
        if (Libc.fcntl(descriptor, SetDescriptorFlags, CloseOnExec) != 0)
        {
            warnings.Add($"descriptor {descriptor} ({name}) is not open");
            return;
        }
        if (Problem(descriptor) is { } problem)
        {
            warnings.Add($"descriptor {descriptor} ({name}) {problem}");
            Libc.close(descriptor);
            return;
        }
        Socket socket = new(new SafeSocketHandle(descriptor, ownsHandle: true));
        if (socket.LocalEndPoint is { } address)
        {
            _sockets.Add((address, name, socket));
            return;
        }
        warnings.Add($"descriptor {descriptor} ({name}) has no address");
        socket.Dispose();
    }

    private static string? Problem(int descriptor)
    {
        const int Type = 3, Listens = 30, Domain = 39;
        const int Stream = 1, Unix = 1, Internet = 2, Internet6 = 10;
        if (Option(descriptor, Type) is not { } type) return "is no socket";
        if (type != Stream) return "is no stream socket";
        if (Option(descriptor, Domain) is not (Unix or Internet or Internet6)) return "is of an unknown family";
        return Option(descriptor, Listens) == 1 ? null : "does not listen";
    }

    private static unsafe int? Option(int descriptor, int option)
    {
        const int SocketLevel = 1;
        int value = 0, length = sizeof(int);
        return Libc.getsockopt(descriptor, SocketLevel, option, (byte*)&value, &length) == 0 ? value : null;
    }

    private static bool Same(EndPoint ours, EndPoint wanted) =>
        ours.Equals(wanted) || (ours is UnixDomainSocketEndPoint && wanted is UnixDomainSocketEndPoint && ours.ToString() == wanted.ToString());
}

using System.Net;
using System.Net.Sockets;
using Posthouse.Server.Configuration;
using Posthouse.Server.Model;
using Posthouse.Server.Processes;

namespace Posthouse.Server.Hosting;

/// <summary>
/// The sockets that the server listens on, kept by whoever may bind them, over reloads and deaths of the process that accepts. A change comes in two steps:
/// first the missing ones are bound, which may fail and then changes nothing; when the new configuration is in force, the others are closed.
/// </summary>
public sealed class ListeningSockets : IDisposable
{
    private readonly Dictionary<string, (EndPoint EndPoint, Socket Socket)> _open = new(StringComparer.Ordinal);
    private readonly HashSet<string> _inherited = new(StringComparer.Ordinal);

    /// <summary>None but those that are open already: sockets that listen and were inherited, which it takes over.</summary>
    public ListeningSockets(IEnumerable<Socket>? inherited = null)
    {
        foreach (Socket socket in inherited ?? [])
        {
            if (socket.LocalEndPoint is { } endPoint && _open.TryAdd(NameOf(endPoint), (endPoint, socket))) _inherited.Add(NameOf(endPoint));
            else socket.Dispose();
        }
    }

    /// <summary>All that are open, those of a change that is not yet made among them.</summary>
    public IReadOnlyList<(EndPoint EndPoint, Socket Socket)> Open => [.. _open.Values];

    /// <summary>The inherited ones that <paramref name="configuration"/> does not listen on: whoever gave them meant something else.</summary>
    public IReadOnlyList<EndPoint> Unwanted(ServerConfiguration configuration, StateDirectory state)
    {
        HashSet<string> wanted = [.. Wanted(configuration, state).Select(static one => NameOf(one.EndPoint))];
        return [.. _inherited.Where(name => !wanted.Contains(name)).Select(name => _open[name].EndPoint)];
    }

    /// <summary>
    /// Binds what <paramref name="configuration"/> listens on and is not open, the sockets of <paramref name="state"/> too. The fault names the directive and why its
    /// address cannot be had; nothing is then open that was not before.
    /// </summary>
    public Change? Prepare(ServerConfiguration configuration, StateDirectory state, out Fault? fault)
    {
        List<(EndPoint EndPoint, Socket Socket)> bound = [];
        HashSet<string> wanted = new(StringComparer.Ordinal);
        foreach ((EndPoint endPoint, SourcePosition position) in Wanted(configuration, state))
        {
            string name = NameOf(endPoint);
            ListenResult? result = !wanted.Add(name) ? new(null, Fault.Permanent("listener twice", "it has a listener already"))
                : _open.ContainsKey(name) ? null : Bind(endPoint);
            if (result is null) continue;
            if (result.Socket is null)
            {
                foreach ((_, Socket socket) in bound) socket.Dispose();
                string place = position == SourcePosition.None ? "" : $"{position}: ";
                fault = result.Fault! with { Detail = $"{place}cannot listen on {name}: {result.Fault.Detail ?? result.Fault.PublicText}" };
                return null;
            }

            bound.Add((endPoint, result.Socket));
        }

        foreach ((EndPoint endPoint, Socket socket) in bound) _open.Add(NameOf(endPoint), (endPoint, socket));
        fault = null;
        return new(this, bound, [.. _open.Keys.Where(name => !wanted.Contains(name))]);
    }

    /// <summary>Closes all.</summary>
    public void Dispose()
    {
        foreach ((_, Socket socket) in _open.Values) socket.Dispose();
        _open.Clear();
    }

    private static string NameOf(EndPoint endPoint) => ListenerSet.NameOf(endPoint);

    private static IEnumerable<(EndPoint EndPoint, SourcePosition Position)> Wanted(ServerConfiguration configuration, StateDirectory state) =>
    [
        (new UnixDomainSocketEndPoint(state.ControlSocket), SourcePosition.None),
        (new UnixDomainSocketEndPoint(state.SmtpSocket), configuration.Socket.Position),
        .. configuration.Listeners.SelectMany(static listener => listener.EndPoints, static (listener, endPoint) => ((EndPoint)endPoint, listener.Position)),
    ];

    // 0.0.0.0 and 127.0.0.1 do not go together, though the one comes and the other goes: they may for a moment, if both allow it.
    private ListenResult Bind(EndPoint endPoint)
    {
        ListenResult result = ListeningSocket.Bind(endPoint);
        if (result.Socket is not null || endPoint is not IPEndPoint wanted) return result;
        Socket[] overlapping = [.. _open.Values.Where(one => one.EndPoint is IPEndPoint open && open.Port == wanted.Port && Overlap(open.Address, wanted.Address)).Select(static one => one.Socket)];
        if (overlapping.Length == 0) return result;
        foreach (Socket socket in overlapping) ListeningSocket.Share(socket, true);
        try
        {
            return ListeningSocket.Bind(endPoint, shares: true);
        }
        finally
        {
            foreach (Socket socket in overlapping) ListeningSocket.Share(socket, false);
        }
    }

    private static bool Overlap(IPAddress one, IPAddress other) =>
        one.AddressFamily == other.AddressFamily && (one.Equals(IPAddress.Any) || one.Equals(IPAddress.IPv6Any) || other.Equals(IPAddress.Any) || other.Equals(IPAddress.IPv6Any));

    /// <summary>The sockets of a new configuration, bound; to be kept or given up.</summary>
    public sealed class Change
    {
        private readonly ListeningSockets _sockets;
        private readonly IReadOnlyList<string> _vanished;

        internal Change(ListeningSockets sockets, IReadOnlyList<(EndPoint EndPoint, Socket Socket)> added, IReadOnlyList<string> vanished)
        {
            _sockets = sockets;
            Added = added;
            _vanished = vanished;
        }

        /// <summary>Those that were not open before.</summary>
        public IReadOnlyList<(EndPoint EndPoint, Socket Socket)> Added { get; }

        /// <summary>The new configuration is in force: closes those that it does not have.</summary>
        public void Keep()
        {
            foreach (string name in _vanished)
            {
                if (!_sockets._open.Remove(name, out (EndPoint, Socket Socket) gone)) continue;
                _sockets._inherited.Remove(name);
                gone.Socket.Dispose();
            }
        }

        /// <summary>The old one stays: closes what was added.</summary>
        public void GiveUp()
        {
            foreach ((EndPoint endPoint, Socket socket) in Added)
            {
                _sockets._open.Remove(NameOf(endPoint));
                socket.Dispose();
            }
        }
    }
}

using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Posthouse.Server.Configuration;
using Posthouse.Server.Transport;

namespace Posthouse.Server.Hosting;

/// <summary>
/// The sockets on which mail comes in. Which configuration a connection is served by is decided when it is accepted; so a
/// socket stays open, and loses nothing of its backlog, while configurations come and go.
/// </summary>
internal sealed class ListenerSet(DeadlineWatch watch, SessionLimiter limiter, ILogger logger)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, Place> _places = new(StringComparer.Ordinal);
    private readonly List<Task> _closing = [];
    private bool _isPaused;

    /// <summary>While set, connections are neither accepted nor refused: they wait in the backlog.</summary>
    public bool IsPaused
    {
        get
        {
            lock (_lock) return _isPaused;
        }
        set
        {
            lock (_lock)
            {
                _isPaused = value;
                foreach (Place place in _places.Values) place.Listener.IsPaused = value;
            }
        }
    }

    /// <summary>The name of an address, by which that of a socket and that of a configuration are compared.</summary>
    public static string NameOf(EndPoint endPoint) => endPoint.ToString() ?? "";

    /// <summary>What keeps <paramref name="serving"/> from being served with these sockets beside those that are open: the first address that has none.</summary>
    public EndPoint? FindMissing(Serving serving, IReadOnlyList<(EndPoint EndPoint, Socket Socket)> sockets)
    {
        lock (_lock)
        {
            return serving.Doors.FirstOrDefault(door => !_places.ContainsKey(NameOf(door.EndPoint)) && !sockets.Any(socket => NameOf(socket.EndPoint) == NameOf(door.EndPoint)))
                ?.EndPoint;
        }
    }

    /// <summary>
    /// Serves new connections by <paramref name="serving"/>: on the sockets that are open and whose address it has, and on those given; closes the
    /// others. A socket given for an address that has one, or that is not listened on, is closed.
    /// </summary>
    public void Serve(Serving serving, IReadOnlyList<(EndPoint EndPoint, Socket Socket)> sockets)
    {
        lock (_lock)
        {
            Dictionary<string, Serving.Door> doors = serving.Doors.ToDictionary(static door => NameOf(door.EndPoint), StringComparer.Ordinal);
            foreach ((string name, Place place) in _places.ToArray())
            {
                if (doors.Remove(name, out Serving.Door? door)) place.Door = door;
                else Close(name, place);
            }

            foreach ((EndPoint endPoint, Socket socket) in sockets)
            {
                if (doors.Remove(NameOf(endPoint), out Serving.Door? door)) Open(door, socket);
                else socket.Dispose();
            }
        }
    }

    /// <summary>Closes all sockets and waits until nothing is accepted any more; sessions go on.</summary>
    public Task StopAsync()
    {
        lock (_lock)
        {
            foreach ((string name, Place place) in _places.ToArray()) Close(name, place, tell: false);
        }

        return WhenClosedAsync();
    }

    /// <summary>Waits until the sockets that were given up are closed, so that their addresses can be had again.</summary>
    public Task WhenClosedAsync()
    {
        lock (_lock) return Task.WhenAll(_closing.ToArray());
    }

    private void Open(Serving.Door door, Socket socket)
    {
        Place place = new(door);
        place.Listener = new Listener(socket, watch, limiter, place.ServeAsync, logger) { IsPaused = _isPaused };
        place.Accepting = place.Listener.RunAsync(place.Stop.Token);
        _places.Add(NameOf(door.EndPoint), place);
        ListenerTls tls = door.Receiver.Profile.Tls;
        HostingLog.Listening(logger, NameOf(door.EndPoint), tls == ListenerTls.None ? "" : $" ({tls.ToString().ToLowerInvariant()} tls)");
    }

    private void Close(string name, Place place, bool tell = true)
    {
        _places.Remove(name);
        _closing.RemoveAll(static task => task.IsCompleted);
        _closing.Add(place.CloseAsync());
        if (tell) HostingLog.NotListening(logger, name);
    }

    /// <summary>One socket, and who serves those who connect now.</summary>
    private sealed class Place(Serving.Door door)
    {
        private Serving.Door _door = door;

        public Serving.Door Door
        {
            set => Volatile.Write(ref _door, value);
        }

        public Listener Listener { get; set; } = null!;

        public CancellationTokenSource Stop { get; } = new();

        public Task Accepting { get; set; } = Task.CompletedTask;

        public async Task ServeAsync(Connection connection, SessionAdmission admission)
        {
            Serving.Door door = Volatile.Read(ref _door);
            while (!door.Serving.TryEnter())
            {
                Serving.Door before = door;
                door = Volatile.Read(ref _door);
                // Accepted while its address was being given up, and the last to come: as if it had been refused.
                if (ReferenceEquals(door, before)) return;
            }

            try
            {
                await door.Receiver.ServeAsync(connection, admission);
            }
            finally
            {
                door.Serving.Leave();
            }
        }

        public async Task CloseAsync()
        {
            await Stop.CancelAsync();
            Listener.Dispose();
            await Accepting;
            Stop.Dispose();
        }
    }
}

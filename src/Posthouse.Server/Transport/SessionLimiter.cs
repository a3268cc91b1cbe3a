using System.Net;
using System.Net.Sockets;

namespace Posthouse.Server.Transport;

/// <summary>
/// Counts sessions, in all and per address; loopback is exempt from the second, and on unix sockets users count instead, root's exempt. IPv6 addresses count
/// by their /64, since a single host has all of it. Thread-safe.
/// </summary>
public sealed class SessionLimiter(int maxSessions, int maxPerAddress)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<IPAddress, int> _byAddress = [];
    private readonly Dictionary<uint, int> _byUser = [];
    private int _maxSessions = maxSessions;
    private int _maxPerAddress = maxPerAddress;

    /// <summary>Sessions now.</summary>
    public int Count { get; private set; }

    /// <summary>Changes the limits; the sessions there are stay, also when they are more.</summary>
    public void Limit(int maxSessions, int maxPerAddress)
    {
        lock (_lock)
            (_maxSessions, _maxPerAddress) = (maxSessions, maxPerAddress);
    }

    /// <summary>Takes a place for who comes from <paramref name="address"/> or, on a unix socket, is <paramref name="user"/>, which <see cref="Leave"/> gives back; anything but Admitted takes none.</summary>
    public SessionAdmission Enter(IPAddress? address, uint? user = null)
    {
        IPAddress? counted = Counted(address);
        lock (_lock)
        {
            if (Count >= _maxSessions)
                return SessionAdmission.ServerFull;
            if (counted is not null && !TryCount(_byAddress, counted))
                return SessionAdmission.AddressFull;
            if (user is { } known and not 0 && !TryCount(_byUser, known))
                return SessionAdmission.AddressFull;
            Count++;
            return SessionAdmission.Admitted;
        }
    }

    /// <summary>Gives back a place taken for <paramref name="address"/> or <paramref name="user"/>.</summary>
    public void Leave(IPAddress? address, uint? user = null)
    {
        IPAddress? counted = Counted(address);
        lock (_lock)
        {
            Count--;
            if (counted is not null)
                Uncount(_byAddress, counted);
            if (user is { } known and not 0)
                Uncount(_byUser, known);
        }
    }

    private bool TryCount<T>(Dictionary<T, int> sessions, T key)
        where T : notnull
    {
        int count = sessions.GetValueOrDefault(key);
        if (count >= _maxPerAddress)
            return false;
        sessions[key] = count + 1;
        return true;
    }

    private static void Uncount<T>(Dictionary<T, int> sessions, T key)
        where T : notnull
    {
        int count = sessions.GetValueOrDefault(key) - 1;
        if (count > 0)
            sessions[key] = count;
        else
            sessions.Remove(key);
    }

    private static IPAddress? Counted(IPAddress? address)
    {
        if (address is null || IPAddress.IsLoopback(address))
            return null;
        if (address.AddressFamily != AddressFamily.InterNetworkV6)
            return address;
        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out _);
        bytes[8..].Clear();
        return new IPAddress(bytes);
    }
}

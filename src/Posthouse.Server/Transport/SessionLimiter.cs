using System.Net;
using System.Net.Sockets;

namespace Posthouse.Server.Transport;

/// <summary>
/// Counts sessions, in all and per address; loopback and unix sockets are exempt from the second. IPv6 addresses count
/// by their /64, since a single host has all of it. Thread-safe.
/// </summary>
public sealed class SessionLimiter(int maxSessions, int maxPerAddress)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<IPAddress, int> _byAddress = [];
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

    /// <summary>Takes a place, which <see cref="Leave"/> gives back; anything but Admitted takes none.</summary>
    public SessionAdmission Enter(IPAddress? address)
    {
        IPAddress? counted = Counted(address);
        lock (_lock)
        {
            if (Count >= _maxSessions)
                return SessionAdmission.ServerFull;
            if (counted is not null)
            {
                int sessions = _byAddress.GetValueOrDefault(counted);
                if (sessions >= _maxPerAddress)
                    return SessionAdmission.AddressFull;
                _byAddress[counted] = sessions + 1;
            }
            Count++;
            return SessionAdmission.Admitted;
        }
    }

    /// <summary>Gives back a place taken for <paramref name="address"/>.</summary>
    public void Leave(IPAddress? address)
    {
        IPAddress? counted = Counted(address);
        lock (_lock)
        {
            Count--;
            if (counted is null)
                return;
            int sessions = _byAddress.GetValueOrDefault(counted) - 1;
            if (sessions > 0)
                _byAddress[counted] = sessions;
            else
                _byAddress.Remove(counted);
        }
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

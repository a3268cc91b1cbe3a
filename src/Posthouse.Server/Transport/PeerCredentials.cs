using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Posthouse.Server.Transport;

/// <summary>Who connected to a unix socket, as the kernel saw it at connect (unix(7), SO_PEERCRED).</summary>
public readonly record struct PeerCredentials(int Pid, uint Uid, uint Gid)
{
    private const int SolSocket = 1;
    private const int SoPeerCred = 17;

    /// <summary>Asks the kernel; null when the socket is no unix socket.</summary>
    public static PeerCredentials? Of(Socket socket)
    {
        if (socket.AddressFamily != AddressFamily.Unix)
            return null;
        Span<int> credentials = stackalloc int[3];
        try
        {
            socket.GetRawSocketOption(SolSocket, SoPeerCred, MemoryMarshal.AsBytes(credentials));
            return new PeerCredentials(credentials[0], (uint)credentials[1], (uint)credentials[2]);
        }
        catch (SocketException)
        {
            // Already gone: nobody in particular, who may do nothing in particular.
            return null;
        }
    }
}

using System.Net.Sockets;

namespace Posthouse.Server.Native;

/// <summary>Who connected to a Unix socket, as the kernel knows it.</summary>
public readonly record struct PeerCredentials(int Process, uint Uid, uint Gid)
{
    /// <summary>The peer of a connected Unix socket; null if it is not one.</summary>
    public static unsafe PeerCredentials? Of(Socket socket)
    {
        const int SocketLevel = 1, PeerCredentialsOption = 17;
        int* record = stackalloc int[3];
        int length = 12;
        if (Libc.getsockopt((int)socket.Handle, SocketLevel, PeerCredentialsOption, (byte*)record, &length) != 0 || length != 12) return null;
        return new(record[0], (uint)record[1], (uint)record[2]);
    }
}

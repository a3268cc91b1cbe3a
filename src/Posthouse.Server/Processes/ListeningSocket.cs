using System.Net;
using System.Net.Sockets;
using Posthouse.Server.Model;
using Posthouse.Server.Native;

namespace Posthouse.Server.Processes;

/// <summary>Binds sockets that listen.</summary>
public static class ListeningSocket
{
    private const uint ReadWriteAll = 0x1B6; // 0666

    /// <summary>
    /// Binds and listens, with the longest backlog the system allows. An IPv6 socket takes only IPv6. A Unix socket gets
    /// mode 0666 (who connects is told by credentials) and takes the place of one that nobody listens on. With <paramref name="shares"/>
    /// the address may be part of another socket's that allows it (<see cref="Share"/>).
    /// </summary>
    public static ListenResult Bind(EndPoint endPoint, bool shares = false)
    {
        bool local = endPoint is UnixDomainSocketEndPoint;
        Socket socket = new(endPoint.AddressFamily, SocketType.Stream, local ? ProtocolType.Unspecified : ProtocolType.Tcp);
        try
        {
            if (endPoint.AddressFamily == AddressFamily.InterNetworkV6) socket.DualMode = false;
            if (local) RemoveDead(endPoint);
            if (shares) Share(socket, true);
            socket.Bind(endPoint);
            if (local && FileDescriptor.ChangeMode(endPoint.ToString()!, ReadWriteAll) is not 0 and int error)
            {
                socket.Dispose();
                return new(null, Fault.Temporary($"cannot open {endPoint} to everybody", Errno.Text(error)));
            }
            socket.Listen(int.MaxValue);
            if (shares) Share(socket, false);
            return new(socket, null);
        }
        catch (SocketException exception)
        {
            socket.Dispose();
            return new(null, Fault.Temporary($"cannot listen on {endPoint}", exception.Message));
        }
    }

    /// <summary>
    /// Whether sockets of this user may be bound to the port of <paramref name="socket"/> besides it. Off for all but the moment of binding one: somebody
    /// else's server would otherwise be started on an address that is in use.
    /// </summary>
    public static void Share(Socket socket, bool isAllowed)
    {
        const int SocketLevel = 1, ReusePort = 15;
        socket.SetRawSocketOption(SocketLevel, ReusePort, BitConverter.GetBytes(isAllowed ? 1 : 0));
    }

    // A socket left by a server that was killed would keep its successor from binding; one that answers is left alone.
    private static void RemoveDead(EndPoint endPoint)
    {
        string path = endPoint.ToString()!;
        if (FileDescriptor.Status(path, out FileStatus status, follow: false) != 0 || !status.IsSocket) return;
        using Socket probe = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            probe.Connect(endPoint);
        }
        catch (SocketException exception) when (exception.SocketErrorCode == SocketError.ConnectionRefused)
        {
            File.Delete(path);
        }
    }
}

using System.Net;
using System.Net.Sockets;
using Posthouse.Server.Native;
using Posthouse.Server.Processes;

namespace Posthouse.Tests.Processes;

public class ListeningSocketTests
{
    [Fact]
    public void A_port_that_is_taken_is_a_fault()
    {
        using Socket first = ListeningSocket.Bind(new IPEndPoint(IPAddress.Loopback, 0)).Socket!;
        ListenResult second = ListeningSocket.Bind(first.LocalEndPoint!);
        Assert.Null(second.Socket);
        Assert.StartsWith("cannot listen on 127.0.0.1:", second.Fault!.PublicText, StringComparison.Ordinal);
    }

    [Fact]
    public void A_unix_socket_is_everybody_s_and_takes_the_place_of_a_dead_one()
    {
        string directory = Directory.CreateTempSubdirectory("posthouse-listen-").FullName;
        UnixDomainSocketEndPoint place = new(directory + "/s");
        try
        {
            Socket dead = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            dead.Bind(place);
            // Closing the handle without the end point's clean-up leaves the file, as a killed server does.
            LocalSockets.Abandon(dead);
            using Socket listening = ListeningSocket.Bind(place).Socket!;
            Assert.Equal(0, FileDescriptor.Status(directory + "/s", out FileStatus status));
            Assert.Equal(0x1B6u, status.Permissions);
            Assert.NotNull(ListeningSocket.Bind(place).Fault);
            using Socket client = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            client.Connect(place);
            Assert.Equal(SystemAccounts.EffectiveUser, PeerCredentials.Of(listening.Accept())!.Value.Uid);
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    private static class LocalSockets
    {
        public static void Abandon(Socket socket)
        {
            int descriptor = (int)socket.Handle;
            // It must not be closed again: by then the number may be somebody else's.
            socket.SafeHandle.SetHandleAsInvalid();
            GC.SuppressFinalize(socket);
            Assert.Equal(0, Libc.close(descriptor));
        }
    }
}

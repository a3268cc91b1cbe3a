using Posthouse.Server.Native;

namespace Posthouse.Server.Transport.Keys;

/// <summary>Signs for whoever has the other end of a socket, on a thread for each.</summary>
internal static class SigningServer
{
    private static readonly TimeSpan s_sendLimit = TimeSpan.FromSeconds(5);

    /// <summary>Takes over a socket and serves it until its peer ends, does not read its answers, or sends what is no request; then calls <paramref name="ended"/>.</summary>
    internal static void Start(PacketSocket socket, IKeySigner signer, Action ended)
    {
        socket.SetSendTimeout(s_sendLimit);
        Thread thread = new(() => Serve(socket, signer, ended), 256 << 10) { IsBackground = true, Name = "signing" };
        thread.Start();
    }

    private static void Serve(PacketSocket socket, IKeySigner signer, Action ended)
    {
        Span<byte> request = stackalloc byte[SigningPacket.MaxRequest];
        Span<byte> answer = stackalloc byte[SigningPacket.MaxAnswer];
        try
        {
            while (socket.Receive(request, [], out _) is > 0 and var length
                && SigningPacket.Answer(request[..length], signer, answer) is > 0 and var answered
                && socket.Send(answer[..answered], []) == 0)
            {
                // The next one.
            }
        }
        catch (Exception)
        {
            // A bug: this socket ends, and with it its peer's request; the others and their keys must not.
        }
        finally
        {
            socket.Dispose();
            ended();
        }
    }
}

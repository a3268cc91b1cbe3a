using System.Net.Security;

namespace Posthouse.Server.Transport;

/// <summary>The server's side of TLS for one listener: which certificate for which name, and what is asked of clients.</summary>
public sealed class TlsServer
{
    private readonly Func<string?, SslServerAuthenticationOptions> _choose;

    /// <summary>Serves with the options that <paramref name="choose"/> gives for a name asked for (null when none was).</summary>
    public TlsServer(Func<string?, SslServerAuthenticationOptions> choose) => _choose = choose;

    internal async ValueTask<TlsInfo> HandshakeAsync(SslStream stream)
    {
        await stream.AuthenticateAsServerAsync(
            (_, hello, _, _) => new ValueTask<SslServerAuthenticationOptions>(_choose(hello.ServerName)), null);
        return new TlsInfo(
            stream.SslProtocol.ToString(), stream.NegotiatedCipherSuite.ToString(), 0, stream.TargetHostName, false, false, null);
    }
}

namespace Posthouse.Server.Transport;

/// <summary>Why nothing more comes from a connection.</summary>
public enum ConnectionEnd
{
    /// <summary>It is open.</summary>
    None,

    /// <summary>The peer closed its side.</summary>
    Closed,

    /// <summary>Its deadline passed.</summary>
    TimedOut,

    /// <summary>The server is stopping or wants to be rid of it.</summary>
    Interrupted,

    /// <summary>The network or the TLS layer failed; see <see cref="Connection.EndDetail"/>.</summary>
    Broken,
}

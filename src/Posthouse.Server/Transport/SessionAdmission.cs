namespace Posthouse.Server.Transport;

/// <summary>Whether there is room for a session.</summary>
public enum SessionAdmission
{
    /// <summary>There is.</summary>
    Admitted,

    /// <summary>The server has as many sessions as it may have: 421 4.3.2.</summary>
    ServerFull,

    /// <summary>This address has as many sessions as it may have: 421 4.7.0.</summary>
    AddressFull,
}

namespace Posthouse.Server.Native;

/// <summary>Which TCP a process under <see cref="Landlock"/> may speak (Linux 6.7; before, all).</summary>
public enum LandlockNetwork
{
    /// <summary>It may connect, and bind only a port that the system chooses.</summary>
    Client,

    /// <summary>It may neither connect nor bind.</summary>
    None,
}

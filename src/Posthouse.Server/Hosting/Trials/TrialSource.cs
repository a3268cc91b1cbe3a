namespace Posthouse.Server.Hosting.Trials;

/// <summary>Who says a line in a <see cref="FilterTrial"/>.</summary>
public enum TrialSource
{
    /// <summary>The server to the filter.</summary>
    ToFilter,

    /// <summary>The filter to the server.</summary>
    FromFilter,

    /// <summary>The filter, on its standard error.</summary>
    FilterErrors,

    /// <summary>The client to the server.</summary>
    Client,

    /// <summary>The server to the client.</summary>
    Server,

    /// <summary>What happens besides, as the server's log would tell it.</summary>
    Log,
}

namespace Posthouse.Plugs;

/// <summary>How a queue answers.</summary>
public enum QueueStatus
{
    /// <summary>Done.</summary>
    Ok,

    /// <summary>The id is taken.</summary>
    Exists,

    /// <summary>There is no such message or envelope.</summary>
    NotFound,

    /// <summary>A temporary failure: the client gets 451, a delivery is tried later.</summary>
    Error,
}

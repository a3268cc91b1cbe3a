namespace Posthouse.Server.Model;

/// <summary>A program outside the server that runs as its own process, once, for as long as its configuration stands.</summary>
/// <param name="Command">As written: a path or a name looked for in the plug directories, then arguments.</param>
public sealed record PlugCommand(string Command)
{
    /// <summary>The user it runs as; null: the server's default for plugs.</summary>
    public string? User { get; init; }

    /// <summary>The group it runs as; null: the user's primary group.</summary>
    public string? Group { get; init; }

    /// <summary>Its root directory; null: the system's.</summary>
    public string? Chroot { get; init; }

    /// <summary>How many copies run: 1 to 64.</summary>
    public int Instances { get; init; } = 1;

    /// <summary>How long one request may take; null: the default of its kind.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>What requests get that it cannot answer. Filters only.</summary>
    public PlugFailurePolicy OnFailure { get; init; }

    /// <summary>Where it is declared.</summary>
    public SourcePosition Position { get; init; }
}

using Posthouse.Server.Model;

namespace Posthouse.Server.Hosting;

/// <summary>What the command line says about how to serve.</summary>
public sealed record ServeOptions
{
    /// <summary>Where the state lives.</summary>
    public required StateDirectory State { get; init; }

    /// <summary>The users to run parts as, when started by root.</summary>
    public ServiceUsers Users { get; init; } = ServiceUsers.Default;

    /// <summary>Start with no new sessions.</summary>
    public bool PauseSmtp { get; init; }

    /// <summary>Start with local deliveries paused.</summary>
    public bool PauseMda { get; init; }

    /// <summary>Start with relaying paused.</summary>
    public bool PauseMta { get; init; }

    /// <summary>Whether the configuration may use what this version does not honour.</summary>
    public bool IgnoreUnsupported { get; init; }

    /// <summary>The key of an encrypted queue, 32 bytes; null without encryption.</summary>
    public byte[]? QueueKey { get; init; }

    /// <summary>Tells no secret.</summary>
    public override string ToString() => $"ServeOptions {{ State = {State.Path} }}";
}

using Posthouse.Plugs;

namespace Posthouse.Server.Queueing;

/// <summary>
/// What opening a message gave: its content as a stream to read forward once, or why not. A store that fails, or damage
/// that is found, while reading throws an <see cref="IOException"/> out of the stream: a broken stream, hence a temporary failure.
/// </summary>
public readonly record struct OpenedMessage(QueueResult Result, Stream? Content)
{
    /// <summary>Whether it stays closed only because its key is not the one configured.</summary>
    public bool NeedsKey { get; init; }
}

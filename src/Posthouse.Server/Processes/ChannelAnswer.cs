using System.Runtime.InteropServices;

namespace Posthouse.Server.Processes;

/// <summary>
/// An answer over a <see cref="Channel"/>. The descriptors of one that is sent are closed when it has been; those of one
/// that was received are the receiver's.
/// </summary>
internal sealed record ChannelAnswer(ReadOnlyMemory<byte> Payload, params SafeHandle[] Descriptors) : IDisposable
{
    /// <summary>Nothing to say but that it is done.</summary>
    internal static ChannelAnswer Empty { get; } = new(ReadOnlyMemory<byte>.Empty);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (SafeHandle descriptor in Descriptors) descriptor.Dispose();
    }
}

using Microsoft.Win32.SafeHandles;

namespace Posthouse.Server.Processes;

/// <summary>A question that came over a <see cref="Channel"/>. Its descriptors are closed after it has been answered; whoever wants to keep one takes it.</summary>
internal sealed class ChannelRequest(MessageKind kind, ReadOnlyMemory<byte> payload, SafeFileHandle[] descriptors) : IDisposable
{
    /// <summary>What it is about.</summary>
    internal MessageKind Kind { get; } = kind;

    /// <summary>Its content; anything may stand here.</summary>
    internal ReadOnlyMemory<byte> Payload { get; } = payload;

    /// <summary>How many descriptors came with it.</summary>
    internal int DescriptorCount => descriptors.Length;

    /// <summary>Takes a descriptor over; the caller closes it.</summary>
    internal int TakeDescriptor(int index)
    {
        int descriptor = (int)descriptors[index].DangerousGetHandle();
        descriptors[index].SetHandleAsInvalid();
        descriptors[index] = new SafeFileHandle(-1, ownsHandle: false);
        return descriptor;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (SafeFileHandle descriptor in descriptors) descriptor.Dispose();
    }
}

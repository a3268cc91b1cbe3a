using Posthouse.Server.Model;

namespace Posthouse.Server.Delivering.Local;

/// <summary>A message being written to where a user finds it. Calls block. Disposing before <see cref="Finish"/> leaves no trace.</summary>
internal interface IMessageFile : IDisposable
{
    /// <summary>Writes a block; null if that went well.</summary>
    DeliveryResult? Append(ReadOnlySpan<byte> block);

    /// <summary>Makes the message visible and durable.</summary>
    DeliveryResult Finish();
}

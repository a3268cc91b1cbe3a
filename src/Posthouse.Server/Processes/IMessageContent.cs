namespace Posthouse.Server.Processes;

/// <summary>
/// A message as a local delivery writes it: lines end in LF, and what delivery adds to the header stands in front.
/// <see cref="Head"/> first, then what <see cref="ReadAsync"/> gives until it gives 0.
/// </summary>
public interface IMessageContent
{
    /// <summary>The beginning of the message; all of it when <see cref="IsWhole"/>.</summary>
    ReadOnlyMemory<byte> Head { get; }

    /// <summary>Whether <see cref="Head"/> is the whole message, as it is for all but large ones.</summary>
    bool IsWhole { get; }

    /// <summary>Reads on after <see cref="Head"/>; 0 at the end.</summary>
    /// <exception cref="IOException">The queue could not read the message.</exception>
    ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellation);
}

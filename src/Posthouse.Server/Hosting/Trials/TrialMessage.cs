namespace Posthouse.Server.Hosting.Trials;

/// <summary>A message that went through a filter.</summary>
/// <param name="Content">As it is in the queue.</param>
/// <param name="Given">As the filter was given it; null when it does not want the content of messages, and so cannot have changed it.</param>
public sealed record TrialMessage(ReadOnlyMemory<byte> Content, ReadOnlyMemory<byte>? Given);

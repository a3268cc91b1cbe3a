namespace Posthouse.Plugs.Testing;

/// <summary>A store broke the queue contract; the message says what was expected and what came.</summary>
public sealed class QueueContractException(string message) : Exception(message);

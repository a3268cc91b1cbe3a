namespace Posthouse.Plugs;

/// <summary>What a read of a message gave: <see cref="Count"/> bytes, 0 at the end.</summary>
public readonly record struct QueueRead(QueueResult Result, int Count);

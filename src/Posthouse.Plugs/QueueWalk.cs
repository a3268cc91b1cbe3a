namespace Posthouse.Plugs;

/// <summary>One step of a walk.</summary>
public readonly record struct QueueWalk(QueueResult Result, IReadOnlyList<StoredEnvelope> Envelopes);

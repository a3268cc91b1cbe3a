namespace Posthouse.Plugs;

/// <summary>An envelope as a queue keeps it: one JSON object in UTF-8.</summary>
public readonly record struct StoredEnvelope(EnvelopeId Id, ReadOnlyMemory<byte> Json);

namespace Posthouse.Plugs;

/// <summary>An envelope handed out by a scheduler.</summary>
public readonly record struct ScheduledWork(EnvelopeId Envelope, ScheduledAction Action);

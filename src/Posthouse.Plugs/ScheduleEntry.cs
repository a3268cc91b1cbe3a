namespace Posthouse.Plugs;

/// <summary>A row of a scheduler's listing; <see cref="NextTry"/> in seconds since 1970, 0 when there is none.</summary>
public readonly record struct ScheduleEntry(EnvelopeId Envelope, ScheduleState State, long NextTry);

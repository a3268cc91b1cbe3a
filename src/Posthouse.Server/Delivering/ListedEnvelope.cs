using Posthouse.Plugs;

namespace Posthouse.Server.Delivering;

/// <summary>An envelope of the queue and where it stands; <paramref name="NextTry"/> in seconds since 1970, 0 when there is none.</summary>
public readonly record struct ListedEnvelope(Envelope Envelope, ScheduleState State, long NextTry);

namespace Posthouse.Server.Queueing;

/// <summary>What an inspection of a whole spool found; <see cref="Locked"/> counts envelopes and messages that only another key opens.</summary>
public sealed record SpoolCheck(long Messages, long Envelopes, long Locked, IReadOnlyList<SpoolDamage> Damages);

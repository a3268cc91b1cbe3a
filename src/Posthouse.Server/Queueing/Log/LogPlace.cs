namespace Posthouse.Server.Queueing.Log;

/// <summary>Where a record stands: its header's offset, and the length of its payload.</summary>
internal readonly record struct LogPlace(int Segment, uint Offset, int Length);

namespace Posthouse.Server.Queueing.Log;

/// <summary>
/// One record of a segment as its footer lists it. <see cref="Extra"/> is the number of the body file of a big message,
/// the segment that a tombstone refers to, or 1 for an envelope that has older versions elsewhere.
/// </summary>
internal readonly record struct SegmentEntry(RecordKind Kind, ulong Id, long Offset, int Length, long Extra, long BodyLength)
{
    public uint Message => (uint)(Id >> 32);
}

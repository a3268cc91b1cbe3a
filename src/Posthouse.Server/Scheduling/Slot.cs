namespace Posthouse.Server.Scheduling;

/// <summary>What a <see cref="RamScheduler"/> keeps of one envelope: 48 bytes, in the pages of a <see cref="SlotPool"/>. Times are seconds since 1970.</summary>
internal struct Slot
{
    public const int None = -1;

    public ulong Id;
    public ulong HoldQueue;
    public uint Created;

    /// <summary>0 once it was handed out as expired.</summary>
    public uint Expires;

    public uint Next;
    public ushort Tries;
    public SlotState State;
    public byte Kind;

    /// <summary>Place in the heap of due or of removed envelopes, or <see cref="None"/>.</summary>
    public int DuePosition;

    /// <summary>Place in the heap of expiry times, or <see cref="None"/>.</summary>
    public int ExpiryPosition;

    /// <summary>Neighbours in the hold queue; <see cref="FollowingHeld"/> also links the pool's free slots.</summary>
    public int PreviousHeld;
    public int FollowingHeld;
}

/// <summary>Where an envelope stands, including what is to become of it when its try is over.</summary>
internal enum SlotState : byte
{
    Free,
    Staged,
    StagedSuspended,
    Pending,
    InFlight,
    InFlightThenSuspended,
    InFlightThenRemoved,
    Held,
    Suspended,
    Removed,
}

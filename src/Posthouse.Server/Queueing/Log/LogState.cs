namespace Posthouse.Server.Queueing.Log;

/// <summary>
/// The index, the segments, and how one record changes them: the same for what the writer has just written and for what
/// recovery reads. Only one thread changes it (recovery, then the writer; the housekeeper removes segments); everybody
/// holds <see cref="Gate"/> meanwhile.
/// </summary>
internal sealed class LogState
{
    public Lock Gate { get; } = new();

    public LogIndex Index { get; } = new();

    public SortedDictionary<int, LogSegment> Segments { get; } = [];

    /// <summary>
    /// Records of the past are being read. A message then stays when its last known envelope goes: the record of another
    /// one may be read later, because its older versions are gone with their segment.
    /// </summary>
    public bool IsReplaying { get; set; }

    /// <summary>Body files whose message is gone; they are unlinked once that is durable.</summary>
    public List<long> DeadBodies { get; } = [];

    /// <summary>Makes one record of <paramref name="segment"/> known. A tombstone of something unknown changes nothing.</summary>
    public void Apply(LogSegment segment, in SegmentEntry entry)
    {
        switch (entry.Kind)
        {
            case RecordKind.Message:
                SetMessage(segment, entry, entry.Offset, entry.Length);
                break;
            case RecordKind.BigMessage:
                SetMessage(segment, entry, entry.Extra, ~entry.BodyLength);
                break;
            case RecordKind.Envelope or RecordKind.Update:
                SetEnvelope(segment, entry);
                break;
            case RecordKind.Delete:
                Delete(segment, entry);
                break;
        }
    }

    /// <summary>Whether the index points to this record.</summary>
    public bool IsLive(LogSegment segment, in SegmentEntry entry)
    {
        if (entry.Kind is RecordKind.Envelope or RecordKind.Update)
        {
            int slot = Index.FindEnvelope(entry.Id);
            return slot != LogIndex.None && Index.EnvelopeAt(slot).Segment == segment.Number && Index.EnvelopeAt(slot).Offset == entry.Offset;
        }

        if (entry.Kind is not (RecordKind.Message or RecordKind.BigMessage))
            return false;
        int message = Index.FindMessage(entry.Message);
        if (message == LogIndex.None)
            return false;
        ref LogIndex.Message found = ref Index.MessageAt(message);
        bool big = entry.Kind == RecordKind.BigMessage;
        return found.Segment == segment.Number && found.IsBig == big && found.Place == (big ? entry.Extra : entry.Offset);
    }

    /// <summary>
    /// Drops what replay left incomplete: messages without envelopes (nobody waits for them), and envelopes whose message
    /// was lost. Returns the latter.
    /// </summary>
    public List<ulong> DropIncomplete()
    {
        var lost = new List<ulong>();
        foreach (uint id in Index.Messages())
        {
            int slot = Index.FindMessage(id);
            while (Index.MessageAt(slot) is { Segment: LogIndex.None, First: not LogIndex.None and int first })
            {
                ref LogIndex.Envelope envelope = ref Index.EnvelopeAt(first);
                lost.Add(RecordHeader.IdOf(id) | envelope.Own);
                Release(envelope.Segment, envelope.Place.Length);
                Index.RemoveEnvelope(first);
            }

            if (Index.MessageAt(slot).Count == 0)
                RemoveMessage(slot);
        }

        return lost;
    }

    /// <summary>
    /// Forgets a segment whose file is gone. Whoever buried records in it may still have to bury older versions of the
    /// same envelopes, in segments that this one superseded.
    /// </summary>
    public void Forget(LogSegment gone)
    {
        Segments.Remove(gone.Number);
        foreach (LogSegment segment in Segments.Values)
        {
            segment.Cuts.Remove(gone.Number);
            if (segment.Buries.Remove(gone.Number) && Inherit(segment, segment.Buries, gone))
                segment.BuriesByInheritance = true;
            if (segment.Supersedes.Remove(gone.Number))
                Inherit(segment, segment.Supersedes, gone);
        }
    }

    private bool Inherit(LogSegment heir, HashSet<int> set, LogSegment gone)
    {
        bool any = false;
        foreach (int older in gone.Supersedes)
        {
            if (older == heir.Number || !Segments.ContainsKey(older)) continue;
            set.Add(older);
            any = true;
        }

        return any;
    }

    private void SetMessage(LogSegment segment, in SegmentEntry entry, long place, long codedLength)
    {
        int slot = Index.FindMessage(entry.Message);
        if (slot == LogIndex.None)
            slot = Index.AddMessage(entry.Message);
        ref LogIndex.Message message = ref Index.MessageAt(slot);
        ReleaseContent(ref message, entry.Kind == RecordKind.BigMessage ? entry.Extra : 0);
        message.Segment = segment.Number;
        message.Place = place;
        message.CodedLength = codedLength;
        Hold(segment, entry.Length);
        segment.Entries?.Add(entry);
    }

    private void SetEnvelope(LogSegment segment, in SegmentEntry entry)
    {
        int slot = Index.FindEnvelope(entry.Id);
        bool hasOlder = entry.Extra != 0;
        if (slot == LogIndex.None)
        {
            int message = Index.FindMessage(entry.Message);
            if (message == LogIndex.None)
                message = Index.AddMessage(entry.Message);
            slot = Index.AddEnvelope(message, (uint)entry.Id);
        }
        else
        {
            ref LogIndex.Envelope older = ref Index.EnvelopeAt(slot);
            Release(older.Segment, older.Place.Length);
            hasOlder |= older.HasOlder;
            if (older.Segment != segment.Number)
            {
                segment.Supersedes.Add(older.Segment);
                hasOlder = true;
            }
        }

        Index.EnvelopeAt(slot).Set(new(segment.Number, (uint)entry.Offset, entry.Length), hasOlder);
        Hold(segment, entry.Length);
        segment.Entries?.Add(entry);
    }

    private void Delete(LogSegment segment, in SegmentEntry entry)
    {
        int slot = Index.FindEnvelope(entry.Id);
        if (slot == LogIndex.None)
        {
            // A copy of a tombstone, or one whose record is gone: kept in the footer if it still buries something.
            if (entry.Extra != 0)
                segment.Entries?.Add(entry);
            return;
        }

        ref LogIndex.Envelope envelope = ref Index.EnvelopeAt(slot);
        int buried = envelope.Segment;
        Release(buried, envelope.Place.Length);
        if (IsReplaying && entry.Extra != 0 && entry.Extra != buried)
            segment.BuriesByInheritance = true;
        if (buried != segment.Number)
        {
            segment.Buries.Add(buried);
        }
        else if (envelope.HasOlder)
        {
            // Which of the older versions is meant is not known any more: any of them.
            segment.Buries.UnionWith(segment.Supersedes);
            segment.BuriesByInheritance = true;
        }

        if (buried != segment.Number || envelope.HasOlder)
            segment.Entries?.Add(entry with { Extra = buried });
        int owner = envelope.Message;
        Index.RemoveEnvelope(slot);
        if (Index.MessageAt(owner).Count == 0 && !IsReplaying)
            RemoveMessage(owner);
    }

    private void RemoveMessage(int slot)
    {
        ReleaseContent(ref Index.MessageAt(slot), keptBody: 0);
        Index.RemoveMessage(slot);
    }

    private void ReleaseContent(ref LogIndex.Message message, long keptBody)
    {
        if (message.Segment == LogIndex.None)
            return;
        if (message.IsBig && message.Place != keptBody)
            DeadBodies.Add(message.Place);
        Release(message.Segment, message.IsBig ? BodyReference.Size : message.Length);
    }

    private static void Hold(LogSegment segment, long length)
    {
        segment.LiveRecords++;
        segment.LiveBytes += RecordHeader.Size + length;
    }

    private void Release(int number, long length)
    {
        if (!Segments.TryGetValue(number, out LogSegment? segment))
            return;
        segment.LiveRecords--;
        segment.LiveBytes -= RecordHeader.Size + length;
    }
}

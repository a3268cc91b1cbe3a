using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Posthouse.Server.Queueing.Log;

// How segments begin and end: by size, by failure, and at the close.
internal sealed partial class LogWriter
{
    // The disk was full: what was written of the batch is taken back for good, and the segment goes on when there is room.
    private bool TryTakeBack(LogSegment segment)
    {
        try
        {
            segment.File.Truncate(segment.Length);
            segment.File.Sync();
            segment.Durable = segment.Length;
            _unsynced.Clear();
            return true;
        }
        catch (IOException e)
        {
            LogQueueLog.BatchFailed(_logger, _batch.Count, e.Message);
            return false;
        }
    }

    private void Abandon(LogSegment segment, string operation, string reason)
    {
        LogQueueLog.Abandoned(_logger, operation, segment.Number, reason);
        lock (_state.Gate)
        {
            segment.IsSealed = true;
            segment.IsAbandoned = true;
        }

        segment.Length = segment.Durable;
        AddCut(segment);
        _abandoned.Add(segment);
        if (ReferenceEquals(_current, segment)) _current = null;
    }

    private void AddCut(LogSegment segment)
    {
        // Those of segments that never held anything are missed least.
        if (_cuts.Count == SegmentHeader.MaxCuts)
            _cuts.RemoveAt(Math.Max(0, _cuts.FindIndex(static cut => cut.End <= SegmentHeader.Room)));
        _cuts.Add((segment.Number, segment.Length));
    }

    // After a failure: the cut must be durable before anybody is told, and updates already answered are written again.
    private void BeginAnew()
    {
        try
        {
            Writable(0);
        }
        catch (IOException e)
        {
            LogQueueLog.HousekeepingFailed(_logger, "beginning a segment", e.Message);
            if (_unsynced.Count > 0) ScheduleSync();
        }
    }

    /// <summary>The segment to write to, with room for so many bytes.</summary>
    private LogSegment Writable(int bytes)
    {
        if (_current is { } full && full.Length + bytes > _options.SegmentSize && full.Entries!.Count > 0 || _current is { Entries.Count: > MostEntries })
            Seal(_current);
        if (_current != null)
            return _current;
        LogSegment segment = CreateSegment();
        if (_unsynced.Count > 0)
        {
            try
            {
                WriteAgain(segment);
            }
            catch (IOException e)
            {
                Abandon(segment, "writing", e.Message);
                throw;
            }
        }

        _cuts.Clear();
        _abandoned.Clear();
        return _current = segment;
    }

    private LogSegment CreateSegment()
    {
        int number = _nextSegment++;
        string name = LogNames.Segment(number);
        var header = new SegmentHeader(number, BinaryPrimitives.ReadUInt64LittleEndian(RandomNumberGenerator.GetBytes(8)), [.. _cuts]);
        ILogFile file = _files.Create(name);
        try
        {
            file.Write([header.ToBytes()], 0);
            file.Sync();
            _files.SyncFolder("");
        }
        catch (IOException)
        {
            file.Dispose();
            LogCleaning.TryDelete(_files, name, _logger);
            throw;
        }

        var segment = new LogSegment(number, header.Mark, file) { Length = SegmentHeader.Room, Durable = SegmentHeader.Room };
        lock (_state.Gate)
        {
            foreach ((int cut, _) in header.Cuts)
            {
                if (_state.Segments.TryGetValue(cut, out LogSegment? before) && before.IsAbandoned) segment.Cuts.Add(cut);
            }

            _state.Segments.Add(number, segment);
        }

        return segment;
    }

    private void WriteAgain(LogSegment segment)
    {
        int bytes = 0;
        int records = 0;
        foreach (LogUnit unit in _unsynced)
        {
            bytes += unit.Length;
            records += unit.Count;
        }

        WriteRecords(segment, _unsynced, records, bytes);
        segment.File.Sync();
        segment.Durable = segment.Length;
        lock (_state.Gate)
        {
            foreach (LogUnit unit in _unsynced)
                Apply(segment, unit);
            // Tombstones among them bury what they buried the first time.
            foreach (LogSegment before in _abandoned)
            {
                segment.Buries.UnionWith(before.Buries);
                segment.Buries.Add(before.Number);
                segment.Supersedes.UnionWith(before.Supersedes);
                segment.BuriesByInheritance = true;
                foreach (LogUnit unit in _unsynced)
                {
                    if (unit.Kind == LogUnitKind.Delete)
                        segment.Entries!.Add(new(RecordKind.Delete, unit.Id, unit.Position, 0, before.Number, 0));
                }
            }
        }

        _unsynced.Clear();
    }

    // On failure the segment is abandoned, which loses nothing: a start scans it.
    private void Seal(LogSegment segment)
    {
        try
        {
            byte[] footer;
            List<SegmentEntry> moved;
            lock (_state.Gate)
                footer = SegmentFooter.Build(segment, _state, out moved);
            segment.File.Write([footer], segment.Length);
            segment.File.Sync();
            segment.Length += footer.Length;
            segment.Durable = segment.Length;
            _unsynced.Clear();
            lock (_state.Gate)
            {
                foreach (SegmentEntry entry in moved)
                    _state.Index.EnvelopeAt(_state.Index.FindEnvelope(entry.Id)).Set(new(segment.Number, (uint)entry.Offset, entry.Length), entry.Extra != 0);
                segment.Entries = null;
                segment.IsSealed = true;
            }

            AddCut(segment);
            _current = null;
            Changed?.Invoke();
        }
        catch (IOException e)
        {
            Abandon(segment, "sealing", e.Message);
        }
    }

    private void Close()
    {
        if (_current == null && _unsynced.Count > 0)
            BeginAnew();
        if (_current is not { } segment) return;
        Seal(segment);
        if (_unsynced.Count > 0)
            BeginAnew();
        if (segment is { IsAbandoned: false, IsNeedless: true })
        {
            segment.File.Dispose();
            LogCleaning.TryDelete(_files, LogNames.Segment(segment.Number), _logger);
            lock (_state.Gate)
                _state.Forget(segment);
        }
    }
}

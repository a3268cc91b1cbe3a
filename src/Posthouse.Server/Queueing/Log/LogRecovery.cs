using Microsoft.Extensions.Logging;
using Posthouse.Plugs;

namespace Posthouse.Server.Queueing.Log;

/// <summary>Opens what is in the directory: reads footers, scans what has none, and leaves every segment sealed.</summary>
internal sealed class LogRecovery(ILogFiles files, LogState state, ILogger logger)
{
    private readonly Dictionary<int, long> _cuts = [];
    private bool _hasDamage;

    /// <summary>The number for the next segment.</summary>
    public int NextSegment { get; private set; } = 1;

    /// <summary>The largest number that a body file has.</summary>
    public long LastBody { get; private set; }

    /// <summary>Ends of segments that the next segment's header has to tell.</summary>
    public List<(int Segment, long End)> Cuts { get; } = [];

    /// <exception cref="IOException">The directory cannot be read, or was written by a newer version.</exception>
    public void Run()
    {
        List<LogSegment> segments = OpenSegments();
        lock (state.Gate)
        {
            state.IsReplaying = true;
            for (int i = 0; i < segments.Count; i++)
                Load(segments[i], isLast: i == segments.Count - 1);
            state.IsReplaying = false;
            foreach (ulong lost in state.DropIncomplete())
            {
                _hasDamage = true;
                LogQueueLog.LostMessage(logger, new EnvelopeId(lost));
            }

            if (segments is [.., { Entries: not null, IsAbandoned: false } last])
                Seal(last);
            foreach (LogSegment segment in segments)
            {
                segment.IsSealed = true;
                // A segment with a footer knows its end by itself.
                segment.Cuts.RemoveWhere(cut => !state.Segments.TryGetValue(cut, out LogSegment? other) || !other.IsAbandoned);
            }

            CleanBodies();
            LogQueueLog.Opened(logger, state.Index.MessageCount, state.Index.EnvelopeCount, state.Segments.Count);
        }
    }

    private List<LogSegment> OpenSegments()
    {
        var numbers = new List<int>();
        foreach (string name in files.List(""))
        {
            if (LogNames.TryParseSegment(name, out int number)) numbers.Add(number);
        }

        numbers.Sort();
        var segments = new List<LogSegment>();
        byte[] head = new byte[SegmentHeader.Room];
        for (int i = 0; i < numbers.Count; i++)
        {
            int number = numbers[i];
            NextSegment = number + 1;
            ILogFile file = files.Open(LogNames.Segment(number));
            long length = file.Length;
            int read = file.Read(head, 0);
            if (!SegmentHeader.TryRead(head.AsSpan(0, read), out SegmentHeader? header, out uint version))
            {
                file.Dispose();
                SetAside(number, mayHoldRecords: length > SegmentHeader.Room || i < numbers.Count - 1);
                continue;
            }

            if (header == null)
            {
                file.Dispose();
                throw new IOException($"{LogNames.Segment(number)} has format {version}; this server knows {SegmentHeader.Version}");
            }

            var segment = new LogSegment(number, header.Mark, file) { Length = SegmentHeader.Room };
            foreach ((int cut, long end) in header.Cuts)
            {
                _cuts[cut] = end;
                segment.Cuts.Add(cut);
            }

            segments.Add(segment);
        }

        return segments;
    }

    // A header is synced before the first record is written, so the last file with a torn one is merely unfinished.
    private void SetAside(int number, bool mayHoldRecords)
    {
        string name = LogNames.Segment(number);
        if (!mayHoldRecords)
        {
            LogCleaning.TryDelete(files, name, logger);
            return;
        }

        _hasDamage = true;
        LogQueueLog.DamagedSegment(logger, number);
        files.Move(name, $"{LogNames.Quarantine}/{name}");
        files.SyncFolder(LogNames.Quarantine);
        files.SyncFolder("");
    }

    private void Load(LogSegment segment, bool isLast)
    {
        state.Segments.Add(segment.Number, segment);
        long start = segment.Length;
        long fileLength = segment.File.Length;
        bool isCut = _cuts.TryGetValue(segment.Number, out long cut);
        long end = isCut ? Math.Min(cut, fileLength) : fileLength;
        if (SegmentFooter.TryRead(segment, end) is { } entries)
        {
            segment.Entries = null;
            foreach (SegmentEntry entry in entries)
                state.Apply(segment, entry);
            segment.Length = segment.Durable = end;
            segment.Buries.RemoveWhere(number => !state.Segments.ContainsKey(number));
            segment.Supersedes.RemoveWhere(number => !state.Segments.ContainsKey(number));
            return;
        }

        var scanner = new LogScanner(segment, files, state, logger);
        bool open = isLast && !isCut;
        long valid = scanner.Scan(start, end, open);
        _hasDamage |= scanner.HasDamage;
        segment.Length = segment.Durable = valid;
        if (!open)
        {
            segment.IsAbandoned = true;
            return;
        }

        if (valid < fileLength)
            LogQueueLog.TornTail(logger, segment.Number, valid, fileLength - valid);
    }

    // What follows the valid part must be gone before anything is acknowledged again: the footer takes its place, or a
    // cut does.
    private void Seal(LogSegment segment)
    {
        try
        {
            segment.File.Truncate(segment.Length);
            byte[] footer = SegmentFooter.Build(segment, state, out List<SegmentEntry> moved);
            segment.File.Write([footer], segment.Length);
            segment.File.Sync();
            foreach (SegmentEntry entry in moved)
                state.Index.EnvelopeAt(state.Index.FindEnvelope(entry.Id)).Set(new(segment.Number, (uint)entry.Offset, entry.Length), entry.Extra != 0);
            segment.Entries = null;
            segment.Length = segment.Durable = segment.Length + footer.Length;
        }
        catch (IOException e)
        {
            LogQueueLog.Abandoned(logger, "sealing", segment.Number, e.Message);
            segment.IsAbandoned = true;
        }

        Cuts.Add((segment.Number, segment.Length));
    }

    // Content without a message: it was never committed, or its message has gone. After damage it is kept aside.
    private void CleanBodies()
    {
        var known = new HashSet<long>();
        foreach (uint id in state.Index.Messages())
        {
            ref LogIndex.Message message = ref state.Index.MessageAt(state.Index.FindMessage(id));
            if (message.IsBig) known.Add(message.Place);
        }

        state.DeadBodies.Clear();
        foreach (string name in files.List(LogNames.Bodies))
        {
            if (!LogNames.TryParseBody(name, out long number)) continue;
            LastBody = Math.Max(LastBody, number);
            if (known.Contains(number)) continue;
            if (_hasDamage)
                files.Move($"{LogNames.Bodies}/{name}", $"{LogNames.Quarantine}/{name}");
            else
                LogCleaning.TryDelete(files, LogNames.Body(number), logger);
        }
    }
}

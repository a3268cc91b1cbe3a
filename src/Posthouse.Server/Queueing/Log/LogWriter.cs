using System.Buffers.Binary;
using Microsoft.Extensions.Logging;
using Posthouse.Plugs;

namespace Posthouse.Server.Queueing.Log;

/// <summary>
/// The one thread that writes. It takes everything that callers have brought since it last looked, writes it as one
/// batch, syncs once if anybody in it waits for that, makes it known to the index and answers everybody: while it syncs,
/// the next batch gathers, so the cost of a sync is shared by all who wait.
/// <para>
/// A failed sync says nothing about what is on the disk, and a second one might lie. So the segment is abandoned where
/// it was last known durable, and the next segment's header says so ("cut") before anybody is answered with an error:
/// what failed does not come back. Updates and deletes that were answered since the last sync are kept in memory until
/// the next, and are written again to the new segment. Only if not even a new segment can be made, and power fails
/// before one can, may refused mail be found again: then it is delivered twice rather than lost.
/// </para>
/// </summary>
internal sealed partial class LogWriter
{
    private readonly LogState _state;
    private readonly ILogFiles _files;
    private readonly LogQueueOptions _options;
    private readonly RecentMessages _recent;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Thread _thread;
    private readonly object _gate = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // Only under _gate.
    private List<LogUnit> _incoming = [];
    private bool _stopping;
    private bool _syncDue;

    // Only on the writer's thread.
    private const int MostEntries = 200_000;
    private readonly List<(int Segment, long End)> _cuts;
    private readonly List<LogUnit> _batch = [];
    private readonly List<ReadOnlyMemory<byte>> _pieces = [];
    private readonly HashSet<ulong> _deleted = [];
    private readonly byte[] _header = new byte[BatchHeader.Size];
    private readonly ITimer _syncTimer;
    private List<LogUnit> _unsynced = [];
    private readonly List<LogSegment> _abandoned = [];
    private LogSegment? _current;
    private int _nextSegment;
    private ulong _sequence = 1;
    private bool _syncScheduled;

    public LogWriter(LogState state, ILogFiles files, LogQueueOptions options, RecentMessages recent, TimeProvider time, ILogger logger, int nextSegment, List<(int Segment, long End)> cuts)
    {
        _state = state;
        _files = files;
        _options = options;
        _recent = recent;
        _time = time;
        _logger = logger;
        _nextSegment = nextSegment;
        _cuts = cuts;
        _syncTimer = time.CreateTimer(_ => SyncSoon(), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _thread = new Thread(Run) { IsBackground = true, Name = "queue log writer" };
        _thread.Start();
    }

    /// <summary>Called on the writer's thread when records died or a segment was sealed.</summary>
    public Action? Changed { get; set; }

    /// <summary>Hands a unit to the writer; the answer comes on the thread pool.</summary>
    public Task<QueueResult> WriteAsync(LogUnit unit)
    {
        lock (_gate)
        {
            if (_stopping)
                return Task.FromResult(QueueResult.Error("the queue is closed"));
            _incoming.Add(unit);
            if (_incoming.Count == 1)
                Monitor.Pulse(_gate);
        }

        return unit.Task;
    }

    /// <summary>Writes what is waiting, seals the segment and ends.</summary>
    public async Task StopAsync()
    {
        lock (_gate)
        {
            _stopping = true;
            Monitor.Pulse(_gate);
        }

        await _ended.Task;
        await _syncTimer.DisposeAsync();
    }

    private void SyncSoon()
    {
        lock (_gate)
        {
            _syncDue = true;
            Monitor.Pulse(_gate);
        }
    }

    private void Run()
    {
        List<LogUnit> units = [];
        while (true)
        {
            bool syncDue;
            lock (_gate)
            {
                while (_incoming.Count == 0 && !_stopping && !_syncDue)
                    Monitor.Wait(_gate);
                if (_incoming.Count == 0 && _stopping)
                    break;
                (units, _incoming) = (_incoming, units);
                (syncDue, _syncDue) = (_syncDue, false);
            }

            Guard(units, () => WriteAll(units));
            if (syncDue)
                Guard([], SyncUpdates);
            units.Clear();
        }

        Guard([], Close);
        _ended.SetResult();
    }

    // A bug must not stop the mail: whoever waits is told, the segment is left, the thread goes on.
    private void Guard(List<LogUnit> units, Action action)
    {
        try
        {
            action();
        }
#pragma warning disable CA1031 // Everything is caught: see above.
        catch (Exception e)
#pragma warning restore CA1031
        {
            LogQueueLog.WriterFailed(_logger, e);
            if (_current != null)
                Abandon(_current, "writing", e.Message);
            foreach (LogUnit unit in units)
                unit.TrySetResult(QueueResult.Error("internal error of the queue"));
        }
    }

    private void WriteAll(List<LogUnit> units)
    {
        for (int at = 0; at < units.Count;)
        {
            int bytes = 0;
            int from = at;
            while (at < units.Count && (at == from || (bytes + units[at].Length <= _options.BatchSize && !units[at].IsAlone && !units[at - 1].IsAlone)))
                bytes += units[at++].Length;
            WriteBatch(units, from, at);
        }
    }

    private void WriteBatch(List<LogUnit> units, int from, int to)
    {
        _batch.Clear();
        _deleted.Clear();
        int bytes = 0;
        int records = 0;
        lock (_state.Gate)
        {
            for (int i = from; i < to; i++)
            {
                if (!Admit(units[i]))
                {
                    units[i].SetResult(QueueResult.NotFound);
                    continue;
                }

                _batch.Add(units[i]);
                bytes += units[i].Length;
                records += units[i].Count;
            }
        }

        if (_batch.Count == 0)
            return;
        if (records == 0)
        {
            SyncUpdates();
            AnswerAll(_unsynced.Count == 0 ? QueueResult.Ok : QueueResult.Error("the queue cannot be synced"));
            return;
        }

        LogSegment segment;
        try
        {
            segment = Writable(bytes + BatchHeader.Size);
        }
        catch (IOException e)
        {
            Refuse(e);
            return;
        }

        try
        {
            WriteRecords(segment, _batch, records, bytes);
        }
        catch (IOException e) when (e.HResult is Native.Errno.NoSpace or Native.Errno.Quota && TryTakeBack(segment))
        {
            Refuse(e);
            return;
        }
        catch (IOException e)
        {
            Abandon(segment, "writing", e.Message);
            BeginAnew();
            Refuse(e);
            return;
        }

        Finish(segment);
    }

    // Whether what the unit refers to is still there. Every update and delete in the log refers to a live envelope, on
    // which replay relies.
    private bool Admit(LogUnit unit)
    {
        switch (unit.Kind)
        {
            case LogUnitKind.Update:
                return !_deleted.Contains(unit.Id) && _state.Index.FindEnvelope(unit.Id) != LogIndex.None;
            case LogUnitKind.Delete:
                return _state.Index.FindEnvelope(unit.Id) != LogIndex.None && _deleted.Add(unit.Id);
            case LogUnitKind.Extend:
                return _state.Index.FindMessage((uint)(unit.Id >> 32)) != LogIndex.None;
            case LogUnitKind.Copy:
                LogCompaction.KeepLive(unit, _state);
                return unit.Count > 0;
            default:
                return true;
        }
    }

    private void WriteRecords(LogSegment segment, List<LogUnit> units, int records, int bytes)
    {
        uint digest = 0;
        long position = segment.Length + BatchHeader.Size;
        _pieces.Clear();
        _pieces.Add(_header);
        foreach (LogUnit unit in units)
        {
            if (unit.Count == 0) continue;
            unit.Position = position;
            for (int at = 0; at < unit.Length;)
            {
                ReadOnlySpan<byte> record = unit.Buffer.AsSpan(at);
                digest = Crc32C.Extend(digest, RecordHeader.CrcOf(record));
                at += RecordHeader.Size + BinaryPrimitives.ReadInt32LittleEndian(record);
            }

            position += unit.Length;
            _pieces.Add(unit.Buffer.AsMemory(0, unit.Length));
        }

        new BatchHeader(segment.Mark, _sequence, bytes, records, segment.Durable, digest).Write(_header);
        segment.File.Write(_pieces, segment.Length);
        segment.Length += BatchHeader.Size + bytes;
        _sequence++;
    }

    private void Finish(LogSegment segment)
    {
        bool durable = false;
        lock (_state.Gate)
        {
            foreach (LogUnit unit in _batch)
            {
                durable |= unit.IsDurable;
                if (unit.IsDurable) continue;
                Apply(segment, unit);
                _unsynced.Add(unit);
            }
        }

        foreach (LogUnit unit in _batch)
        {
            if (!unit.IsDurable) unit.SetResult(QueueResult.Ok);
        }

        if (!durable)
        {
            ScheduleSync();
            Changed?.Invoke();
            return;
        }

        try
        {
            segment.File.Sync();
        }
        catch (IOException e)
        {
            Abandon(segment, "sync", e.Message);
            BeginAnew();
            _batch.RemoveAll(static unit => !unit.IsDurable);
            Refuse(e);
            return;
        }

        segment.Durable = segment.Length;
        _unsynced.Clear();
        lock (_state.Gate)
        {
            foreach (LogUnit unit in _batch)
            {
                if (unit.IsDurable) Apply(segment, unit);
            }
        }

        foreach (LogUnit unit in _batch)
        {
            if (!unit.IsDurable) continue;
            if (unit.Kind == LogUnitKind.Commit)
            {
                _recent.Add((uint)(unit.Id >> 32), segment.Number, unit.Position, unit.Buffer, unit.Length);
                unit.Buffer = [];
            }

            unit.SetResult(QueueResult.Ok);
        }
    }

    private void Apply(LogSegment segment, LogUnit unit)
    {
        int index = 0;
        for (int at = 0; at < unit.Length; index++)
        {
            ReadOnlySpan<byte> record = unit.Buffer.AsSpan(at, unit.Length - at);
            RecordHeader header = RecordHeader.ReadTrusted(record);
            SegmentEntry entry = LogScanner.EntryOf(header, record.Slice(RecordHeader.Size, header.Length), unit.Position + at);
            if (unit.Origins != null)
                entry = LogCompaction.Inherit(segment, unit, unit.Origins[index], entry);
            _state.Apply(segment, entry);
            if (unit.Kind == LogUnitKind.Delete && _state.Index.FindMessage(header.Message) == LogIndex.None)
                _recent.Remove(header.Message);
            at += RecordHeader.Size + header.Length;
        }
    }

    private void Refuse(IOException e)
    {
        LogQueueLog.BatchFailed(_logger, _batch.Count, e.Message);
        AnswerAll(QueueResult.Error(e.Message));
    }

    private void AnswerAll(QueueResult result)
    {
        foreach (LogUnit unit in _batch)
        {
            unit.ReturnBuffer();
            unit.SetResult(result);
        }
    }

    private void ScheduleSync()
    {
        if (_syncScheduled) return;
        _syncScheduled = true;
        _syncTimer.Change(_options.SyncDelay, Timeout.InfiniteTimeSpan);
    }

    private void SyncUpdates()
    {
        _syncScheduled = false;
        if (_unsynced.Count == 0) return;
        if (_current is not { } segment)
        {
            BeginAnew();
            return;
        }

        try
        {
            segment.File.Sync();
            segment.Durable = segment.Length;
            _unsynced.Clear();
            Changed?.Invoke();
        }
        catch (IOException e)
        {
            Abandon(segment, "sync", e.Message);
            BeginAnew();
        }
    }
}

using System.Buffers;
using Microsoft.Extensions.Logging;
using Posthouse.Plugs;

namespace Posthouse.Server.Queueing.Log;

/// <summary>
/// The <c>log</c> store, the default: segment files that are only appended to, with one sync for everybody who waits.
/// <para>
/// A commit is assembled and checksummed by its caller, written by <see cref="LogWriter"/> together with those of others,
/// and answered after the sync. Where everything is, is known from an index in memory (<see cref="LogIndex"/>), which a
/// start fills from the segments' footers (<see cref="LogRecovery"/>). What was just accepted is served from memory.
/// A message without envelopes is nobody's: a commit of one answers Ok and keeps nothing.
/// </para>
/// </summary>
public sealed class LogQueue : IQueue
{
    private readonly ILogFiles _files;
    private readonly LogQueueOptions _options;
    private readonly ILogger _logger;
    private readonly LogState _state;
    private readonly RecentMessages _recent;
    private readonly LogBodies _bodies;
    private readonly LogWriter _writer;
    private readonly LogHousekeeper _housekeeper;
    private readonly Dictionary<uint, PendingMessage> _pending = [];
    private long _held;

    private LogQueue(ILogFiles files, LogState state, LogRecovery recovery, LogQueueOptions options, TimeProvider time, ILogger logger)
    {
        _files = files;
        _state = state;
        _options = options;
        _logger = logger;
        _recent = new(options.RecentBytes, options.RecentTime, time);
        _bodies = new(files, logger, recovery.LastBody);
        _writer = new(state, files, options, _recent, time, logger, recovery.NextSegment, recovery.Cuts);
        _housekeeper = new(state, files, _writer, _bodies, _recent, time, logger);
    }

    /// <summary>Opens the store in <paramref name="directory"/>, which is made if need be and locked until the store is disposed of.</summary>
    /// <exception cref="IOException">The directory cannot be used, another process has it, or a newer server wrote it.</exception>
    public static Task<LogQueue> OpenAsync(string directory, LogQueueOptions options, TimeProvider time, ILogger logger) =>
        Task.Run(() => Open(new LogFiles(directory), options, time, logger));

    internal static LogQueue Open(ILogFiles files, LogQueueOptions options, TimeProvider time, ILogger logger)
    {
        var state = new LogState();
        var recovery = new LogRecovery(files, state, logger);
        try
        {
            recovery.Run();
        }
        catch
        {
            CloseFiles(files, state);
            throw;
        }

        return new(files, state, recovery, options, time, logger);
    }

    internal LogState State => _state;

    internal LogHousekeeper Housekeeper => _housekeeper;

    /// <inheritdoc/>
    public ValueTask<QueueResult> CreateMessageAsync(MessageId message, CancellationToken cancellation = default)
    {
        lock (_state.Gate)
        {
            if (_state.Index.FindMessage(message.Value) != LogIndex.None || !_pending.TryAdd(message.Value, new(message, exists: false)))
                return new(QueueResult.Exists);
        }

        return new(QueueResult.Ok);
    }

    /// <inheritdoc/>
    public ValueTask WriteMessageAsync(MessageId message, ReadOnlyMemory<byte> chunk, CancellationToken cancellation = default)
    {
        PendingMessage? pending;
        lock (_state.Gate)
            _pending.TryGetValue(message.Value, out pending);
        if (pending is not { IsCommitting: false }) return default;
        int before = pending.Held;
        // When unfinished messages take too much memory, they go to files as they come.
        pending.Append(chunk.Span, Interlocked.Read(ref _held) < _options.WaitingBytes ? _options.LargestInlineBody : 0, _bodies);
        Interlocked.Add(ref _held, pending.Held - before);
        return default;
    }

    /// <inheritdoc/>
    public void CreateEnvelope(EnvelopeId envelope, ReadOnlyMemory<byte> json)
    {
        lock (_state.Gate)
        {
            uint message = envelope.Message.Value;
            if (!_pending.TryGetValue(message, out PendingMessage? pending))
            {
                if (_state.Index.FindMessage(message) == LogIndex.None) return;
                _pending.Add(message, pending = new(envelope.Message, exists: true));
            }

            if (!pending.IsCommitting) pending.Add(envelope, json);
        }
    }

    /// <inheritdoc/>
    public async ValueTask<QueueResult> CommitAsync(MessageId message, CancellationToken cancellation = default)
    {
        PendingMessage? pending;
        lock (_state.Gate)
        {
            if (!_pending.TryGetValue(message.Value, out pending) || pending.IsCommitting)
                return _state.Index.FindMessage(message.Value) != LogIndex.None ? QueueResult.Ok : QueueResult.NotFound;
            pending.IsCommitting = true;
        }

        int held = pending.Held;
        QueueResult result = QueueResult.Ok;
        try
        {
            if (pending.BodyFile != null && pending.EnvelopeCount > 0)
            {
                // A sync of much content blocks long; the thread pool has better things to do.
                await Task.Factory.StartNew(() => pending.FinishBody(_bodies), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            }

            if (pending.Failure != null)
                result = QueueResult.Error(pending.Failure);
            else if (pending.EnvelopeCount > 0)
                result = await _writer.WriteAsync(pending.ToUnit());
            return result;
        }
        finally
        {
            Interlocked.Add(ref _held, -held);
            if (result.IsOk && pending is { BodyFile: not null, EnvelopeCount: > 0 })
                _bodies.Keep(pending.BodyNumber, pending.BodyFile);
            else
                pending.Discard(_bodies);
            lock (_state.Gate)
                _pending.Remove(message.Value);
        }
    }

    /// <inheritdoc/>
    public void Rollback(MessageId message)
    {
        PendingMessage? pending;
        lock (_state.Gate)
        {
            if (!_pending.TryGetValue(message.Value, out pending) || pending.IsCommitting) return;
            _pending.Remove(message.Value);
        }

        Interlocked.Add(ref _held, -pending.Held);
        pending.Discard(_bodies);
    }

    /// <inheritdoc/>
    public ValueTask<QueueRead> ReadMessageAsync(MessageId message, long offset, Memory<byte> buffer, CancellationToken cancellation = default)
    {
        // The record may move or go while it is looked for; it cannot do so for ever.
        for (int attempt = 0; attempt < 10; attempt++)
        {
            LogIndex.Message found;
            LogSegment? segment;
            lock (_state.Gate)
            {
                int slot = _state.Index.FindMessage(message.Value);
                if (slot == LogIndex.None)
                    return new(new QueueRead(QueueResult.NotFound, 0));
                found = _state.Index.MessageAt(slot);
                _state.Segments.TryGetValue(found.Segment, out segment);
            }

            try
            {
                if (found.IsBig)
                    return new(_bodies.Read(message, found.Place, found.Length, offset, buffer.Span));
                var place = new LogPlace(found.Segment, (uint)found.Place, (int)found.Length);
                if (_recent.TryCopy(message.Value, place, offset, buffer.Span, out int count))
                    return new(new QueueRead(QueueResult.Ok, count));
                if (segment == null) continue;
                return new(ReadRecord(segment, message, place, offset, buffer.Span));
            }
            catch (ObjectDisposedException)
            {
                // Its segment has just been removed: the record is somewhere else, or gone.
            }
            catch (IOException e) when (e.HResult == Native.Errno.NoEntry && !Exists(message))
            {
                return new(new QueueRead(QueueResult.NotFound, 0));
            }
            catch (IOException e)
            {
                return new(new QueueRead(QueueResult.Error(e.Message), 0));
            }
        }

        return new(new QueueRead(QueueResult.Error("the message moves too fast"), 0));
    }

    /// <inheritdoc/>
    public ValueTask<QueueResult> UpdateEnvelopeAsync(EnvelopeId envelope, ReadOnlyMemory<byte> json, CancellationToken cancellation = default) =>
        WriteEnvelopeAsync(LogUnitKind.Update, envelope, json.Span);

    /// <inheritdoc/>
    public ValueTask<QueueResult> DeleteEnvelopeAsync(EnvelopeId envelope, CancellationToken cancellation = default) =>
        WriteEnvelopeAsync(LogUnitKind.Delete, envelope, []);

    /// <inheritdoc/>
    public ValueTask<QueueWalk> WalkAsync(EnvelopeId after, int max, CancellationToken cancellation = default)
    {
        var places = new List<(ulong Id, LogPlace Place)>();
        var found = new List<StoredEnvelope>(Math.Min(max, 1024));
        while (found.Count < max)
        {
            places.Clear();
            lock (_state.Gate)
            {
                int exact = max == 1 && after.Value != ulong.MaxValue ? _state.Index.FindEnvelope(after.Value + 1) : LogIndex.None;
                if (exact != LogIndex.None)
                    places.Add((after.Value + 1, _state.Index.EnvelopeAt(exact).Place));
                else
                    _state.Index.Collect(after.Value, max - found.Count, places);
            }

            if (places.Count == 0) break;
            foreach ((ulong id, LogPlace place) in places)
            {
                after = new(id);
                (ReadOnlyMemory<byte>? json, string? failure, bool mayPass) = ReadEnvelope(after, place);
                if (mayPass && max == 1)
                    return new(new QueueWalk(QueueResult.Error(failure ?? ""), []));
                if (json != null)
                    found.Add(new(after, json.Value));
                else if (failure != null)
                    LogQueueLog.UnreadableEnvelope(_logger, after, failure);
            }
        }

        return new(new QueueWalk(QueueResult.Ok, found));
    }

    /// <summary>Writes what is waiting, seals the last segment so that the next start is quick, and unlocks the directory.</summary>
    public async ValueTask DisposeAsync()
    {
        await _housekeeper.DisposeAsync();
        await _writer.StopAsync();
        lock (_state.Gate)
        {
            foreach (PendingMessage pending in _pending.Values)
            {
                if (!pending.IsCommitting) pending.Discard(_bodies);
            }

            _pending.Clear();
        }

        _bodies.Close();
        CloseFiles(_files, _state);
    }

    private static void CloseFiles(ILogFiles files, LogState state)
    {
        lock (state.Gate)
        {
            foreach (LogSegment segment in state.Segments.Values)
                segment.File.Dispose();
        }

        files.Dispose();
    }

    private async ValueTask<QueueResult> WriteAsync(LogUnit unit)
    {
        QueueResult result = await _writer.WriteAsync(unit);
        return result;
    }

    private ValueTask<QueueResult> WriteEnvelopeAsync(LogUnitKind kind, EnvelopeId envelope, ReadOnlySpan<byte> json)
    {
        lock (_state.Gate)
        {
            if (_state.Index.FindEnvelope(envelope.Value) == LogIndex.None)
                return new(QueueResult.NotFound);
        }

        return WriteAsync(LogUnit.OfEnvelope(kind, envelope, json));
    }

    private bool Exists(MessageId message)
    {
        lock (_state.Gate)
            return _state.Index.FindMessage(message.Value) != LogIndex.None;
    }

    // Reads the whole record to check it, and keeps it for the reads that follow.
    private QueueRead ReadRecord(LogSegment segment, MessageId message, LogPlace place, long offset, Span<byte> buffer)
    {
        int length = RecordHeader.Size + place.Length;
        byte[] record = ArrayPool<byte>.Shared.Rent(length);
        bool intact = false;
        try
        {
            intact = segment.File.Read(record.AsSpan(0, length), place.Offset) == length
                && RecordHeader.TryReadIntact(record.AsSpan(0, length), out RecordHeader header)
                && header.Message == message.Value && header.Length == place.Length;
            if (!intact)
            {
                if (!Exists(message)) return new(QueueResult.NotFound, 0);
                LogQueueLog.DamagedContent(_logger, message, $"segment {segment.Number} at {place.Offset} does not have its checksum");
                return new(QueueResult.Error("the content is damaged"), 0);
            }

            int count = (int)Math.Clamp(place.Length - offset, 0, buffer.Length);
            record.AsSpan((int)(RecordHeader.Size + Math.Min(offset, place.Length)), count).CopyTo(buffer);
            return new(QueueResult.Ok, count);
        }
        finally
        {
            if (intact)
                _recent.Add(message.Value, place.Segment, place.Offset, record, length);
            else
                ArrayPool<byte>.Shared.Return(record);
        }
    }

    // Null without a failure when it was deleted meanwhile. A failure to read may pass, a wrong checksum stays.
    private (ReadOnlyMemory<byte>? Json, string? Failure, bool MayPass) ReadEnvelope(EnvelopeId id, LogPlace place)
    {
        for (int attempt = 0; ; attempt++)
        {
            byte[] record = new byte[RecordHeader.Size + place.Length];
            Memory<byte> json = record.AsMemory(RecordHeader.Size);
            if (_recent.TryCopy(id.Message.Value, place, 0, json.Span, out _))
                return (json, null, false);
            LogSegment? segment;
            lock (_state.Gate)
                _state.Segments.TryGetValue(place.Segment, out segment);
            string failure = "its segment is gone";
            bool mayPass = false;
            try
            {
                if (segment != null)
                {
                    if (segment.File.Read(record, place.Offset) == record.Length && RecordHeader.TryReadIntact(record, out RecordHeader header)
                        && header.Id == id.Value && header.Length == place.Length)
                        return (json, null, false);
                    failure = $"segment {place.Segment} at {place.Offset} does not have its checksum";
                }
            }
            catch (ObjectDisposedException)
            {
                // As in ReadMessageAsync.
            }
            catch (IOException e)
            {
                (failure, mayPass) = (e.Message, true);
            }

            lock (_state.Gate)
            {
                int slot = _state.Index.FindEnvelope(id.Value);
                if (slot == LogIndex.None)
                    return (null, null, false);
                LogPlace now = _state.Index.EnvelopeAt(slot).Place;
                if (now == place || attempt > 10)
                    return (null, failure, mayPass);
                place = now;
            }
        }
    }
}

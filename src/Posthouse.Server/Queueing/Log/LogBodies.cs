using Microsoft.Extensions.Logging;
using Posthouse.Plugs;

namespace Posthouse.Server.Queueing.Log;

/// <summary>
/// The files of big messages: the content, followed by its CRC-32C. A few are kept open; one that was not written just
/// now is checked as a whole when it is opened.
/// </summary>
internal sealed class LogBodies(ILogFiles files, ILogger logger, long lastNumber)
{
    private const int MostOpen = 32;
    private const int TrailerSize = sizeof(uint);

    private readonly Lock _lock = new();
    private readonly Dictionary<long, ILogFile> _open = [];
    private readonly Queue<long> _byAge = new();
    private long _lastNumber = lastNumber;

    public (long Number, ILogFile File) Create()
    {
        long number = Interlocked.Increment(ref _lastNumber);
        return (number, files.Create(LogNames.Body(number)));
    }

    /// <summary>Makes a body durable, its name included.</summary>
    public void Finish(ILogFile file, long length, uint crc)
    {
        file.Write([BitConverter.GetBytes(crc)], length);
        file.Sync();
        files.SyncFolder(LogNames.Bodies);
    }

    /// <summary>Keeps a finished body open for its first delivery.</summary>
    public void Keep(long number, ILogFile file)
    {
        lock (_lock)
        {
            if (!_open.TryAdd(number, file)) return;
            _byAge.Enqueue(number);
            if (_open.Count <= MostOpen) return;
            // Numbers that were removed are still in the queue.
            while (_byAge.TryDequeue(out long oldest))
            {
                if (!_open.Remove(oldest, out ILogFile? old)) continue;
                old.Dispose();
                break;
            }
        }
    }

    /// <summary>Reads from a body; an error when it is missing or damaged.</summary>
    public QueueRead Read(MessageId message, long number, long length, long offset, Span<byte> buffer)
    {
        if (offset >= length)
            return new(QueueResult.Ok, 0);
        Span<byte> wanted = buffer[..(int)Math.Min(buffer.Length, length - offset)];
        for (int attempt = 0; ; attempt++)
        {
            ILogFile? file;
            lock (_lock)
                _open.TryGetValue(number, out file);
            if (file == null)
            {
                file = files.Open(LogNames.Body(number));
                if (!IsIntact(file, length))
                {
                    file.Dispose();
                    LogQueueLog.DamagedContent(logger, message, $"{LogNames.Body(number)} does not have its checksum");
                    return new(QueueResult.Error("the content is damaged"), 0);
                }

                Keep(number, file);
            }

            try
            {
                return new(QueueResult.Ok, file.Read(wanted, offset));
            }
            catch (ObjectDisposedException) when (attempt < 3)
            {
                // Closed meanwhile to make room for others: it is opened again.
            }
        }
    }

    /// <summary>Closes and removes a body, now or (if that fails) at the next start.</summary>
    public void Remove(long number)
    {
        lock (_lock)
        {
            if (_open.Remove(number, out ILogFile? file))
                file.Dispose();
        }

        LogCleaning.TryDelete(files, LogNames.Body(number), logger);
    }

    public void Close()
    {
        lock (_lock)
        {
            foreach (ILogFile file in _open.Values)
                file.Dispose();
            _open.Clear();
        }
    }

    private static bool IsIntact(ILogFile file, long length)
    {
        if (file.Length != length + TrailerSize) return false;
        byte[] window = new byte[64 << 10];
        uint crc = 0;
        for (long at = 0; at < length;)
        {
            int count = file.Read(window.AsSpan(0, (int)Math.Min(window.Length, length - at)), at);
            if (count == 0) return false;
            crc = Crc32C.Extend(crc, window.AsSpan(0, count));
            at += count;
        }

        return file.Read(window.AsSpan(0, TrailerSize), length) == TrailerSize && BitConverter.ToUInt32(window) == crc;
    }
}

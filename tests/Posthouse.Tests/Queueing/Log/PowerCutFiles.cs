using Posthouse.Server.Native;
using Posthouse.Server.Queueing.Log;

namespace Posthouse.Tests.Queueing.Log;

/// <summary>
/// A directory in memory that can fail and lose power. What was not synced is kept apart; a power cut keeps a random
/// part of it, sector by sector, in any order, and a random part of the unsynced creations and deletions.
/// </summary>
internal sealed class PowerCutFiles : ILogFiles
{
    private const int Sector = 512;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Inode> _now = [];
    private readonly Dictionary<string, Inode> _durable = [];

    private sealed class Inode
    {
        public byte[] Durable = [];
        public byte[] Now = [];
        public readonly List<(long Offset, byte[]? Bytes)> Unsynced = [];
    }

    /// <summary>Called before each operation ("write", "sync", "create", "truncate", "folder", "delete"); throws to make it fail.</summary>
    public Action<string, string>? Before { get; set; }

    /// <summary>Bytes that a failing write leaves behind.</summary>
    public int ShortWrite { get; set; }

    public static IOException Failure(int error) => new(Errno.Text(error), error);

    public IReadOnlyList<string> List(string folder)
    {
        lock (_lock)
            return [.. _now.Keys.Where(path => Path.GetDirectoryName(path) == folder).Select(path => Path.GetFileName(path))];
    }

    public ILogFile Create(string path)
    {
        Before?.Invoke("create", path);
        lock (_lock)
        {
            var inode = new Inode();
            if (!_now.TryAdd(path, inode)) throw Failure(Errno.Exists);
            return new File(this, path, inode);
        }
    }

    public ILogFile Open(string path)
    {
        lock (_lock)
            return new File(this, path, _now.TryGetValue(path, out Inode? inode) ? inode : throw Failure(Errno.NoEntry));
    }

    public void Delete(string path)
    {
        Before?.Invoke("delete", path);
        lock (_lock) _now.Remove(path);
    }

    public void Move(string from, string to)
    {
        lock (_lock)
        {
            _now.Remove(from, out Inode? inode);
            _now[to] = inode!;
        }
    }

    public void SyncFolder(string folder)
    {
        Before?.Invoke("folder", folder);
        lock (_lock)
        {
            foreach (string path in _durable.Keys.Concat(_now.Keys).Where(path => Path.GetDirectoryName(path) == folder).ToHashSet())
            {
                if (_now.TryGetValue(path, out Inode? inode)) _durable[path] = inode;
                else _durable.Remove(path);
            }
        }
    }

    public void Dispose()
    {
    }

    /// <summary>What is found after the power came back.</summary>
    public PowerCutFiles Cut(Random random)
    {
        var after = new PowerCutFiles();
        lock (_lock)
        {
            foreach (string path in _durable.Keys.Union(_now.Keys))
            {
                Inode? then = _durable.GetValueOrDefault(path), now = _now.GetValueOrDefault(path);
                Inode? kept = ReferenceEquals(then, now) || random.Next(2) == 0 ? now : then;
                if (kept == null) continue;
                byte[] content = kept.Durable;
                foreach ((long offset, byte[]? bytes) in kept.Unsynced)
                    content = Survive(content, offset, bytes, random);
                Keep(after, path, content);
            }
        }

        return after;
    }

    /// <summary>What is found after the process was killed: everything, in another directory.</summary>
    public PowerCutFiles Copy()
    {
        var copy = new PowerCutFiles();
        lock (_lock)
        {
            foreach ((string path, Inode inode) in _now)
                Keep(copy, path, inode.Now);
        }

        return copy;
    }

    public byte[] ContentOf(string path)
    {
        lock (_lock) return [.. _now[path].Now];
    }

    public void Replace(string path, byte[] content) => Keep(this, path, content);

    private static void Keep(PowerCutFiles files, string path, byte[] content)
    {
        var inode = new Inode { Durable = content, Now = [.. content] };
        files._now[path] = files._durable[path] = inode;
    }

    // Metadata may be ahead of the data: what lies between is zero.
    private static byte[] Survive(byte[] content, long offset, byte[]? bytes, Random random)
    {
        if (random.Next(4) == 0) return content;
        if (bytes == null) return random.Next(2) == 0 ? Resize(content, offset) : content;
        for (int at = 0; at < bytes.Length; at += Sector)
        {
            if (random.Next(8) == 0) continue;
            int length = Math.Min(Sector, bytes.Length - at);
            if (content.Length < offset + at + length) content = Resize(content, offset + at + length);
            else content = [.. content];
            bytes.AsSpan(at, length).CopyTo(content.AsSpan((int)offset + at));
        }

        return content;
    }

    private static byte[] Resize(byte[] content, long length)
    {
        byte[] copy = new byte[length];
        content.AsSpan(0, (int)Math.Min(length, content.Length)).CopyTo(copy);
        return copy;
    }

    private sealed class File(PowerCutFiles files, string path, Inode inode) : ILogFile
    {
        private bool _disposed;

        public long Length
        {
            get
            {
                lock (files._lock) return inode.Now.Length;
            }
        }

        public int Read(Span<byte> buffer, long offset)
        {
            lock (files._lock)
            {
                ObjectDisposedException.ThrowIf(_disposed, this);
                int count = (int)Math.Clamp(inode.Now.Length - offset, 0, buffer.Length);
                if (count > 0) inode.Now.AsSpan((int)offset, count).CopyTo(buffer);
                return count;
            }
        }

        public void Write(IReadOnlyList<ReadOnlyMemory<byte>> pieces, long offset)
        {
            byte[] bytes = [.. pieces.SelectMany(piece => piece.ToArray())];
            try
            {
                files.Before?.Invoke("write", path);
            }
            catch (IOException)
            {
                Put(bytes[..Math.Min(files.ShortWrite, bytes.Length)], offset);
                throw;
            }

            Put(bytes, offset);
        }

        public void Sync()
        {
            files.Before?.Invoke("sync", path);
            lock (files._lock)
            {
                inode.Durable = [.. inode.Now];
                inode.Unsynced.Clear();
            }
        }

        public void Truncate(long length)
        {
            files.Before?.Invoke("truncate", path);
            lock (files._lock)
            {
                inode.Now = Resize(inode.Now, length);
                inode.Unsynced.Add((length, null));
            }
        }

        public void Dispose() => _disposed = true;

        private void Put(byte[] bytes, long offset)
        {
            lock (files._lock)
            {
                ObjectDisposedException.ThrowIf(_disposed, this);
                if (inode.Now.Length < offset + bytes.Length) inode.Now = Resize(inode.Now, offset + bytes.Length);
                bytes.CopyTo(inode.Now.AsSpan((int)offset));
                inode.Unsynced.Add((offset, bytes));
            }
        }
    }
}

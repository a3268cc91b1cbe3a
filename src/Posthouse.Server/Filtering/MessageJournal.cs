using System.Buffers;
using Microsoft.Win32.SafeHandles;

namespace Posthouse.Server.Filtering;

/// <summary>Bytes that are written once and read again and again: the first 64 KiB in memory, what follows in a file without a name. One writer, any readers.</summary>
internal sealed class MessageJournal(string directory) : IDisposable
{
    /// <summary>How much stays in memory.</summary>
    internal const int InMemory = 64 * 1024;

    private readonly Lock _lock = new();
    private byte[]? _memory;
    private int _kept;
    private SafeFileHandle? _file;
    private long _filed;
    private bool _disposed;

    /// <summary>Bytes so far.</summary>
    internal long Length
    {
        get
        {
            lock (_lock) return _kept + _filed;
        }
    }

    /// <summary>Takes more; false when there is no room on the disk.</summary>
    internal bool Append(ReadOnlySpan<byte> bytes)
    {
        lock (_lock)
        {
            if (_disposed) return true;
            int fits = Math.Min(InMemory - _kept, bytes.Length);
            if (fits > 0) Keep(bytes[..fits]);
            bytes = bytes[fits..];
            if (bytes.IsEmpty) return true;
            try
            {
                _file ??= Create();
                RandomAccess.Write(_file, bytes, _filed);
                _filed += bytes.Length;
                return true;
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                return false;
            }
        }
    }

    /// <summary>Reads from a place on; answers how much, nothing when there is no more yet.</summary>
    /// <exception cref="IOException">The file cannot be read.</exception>
    internal int Read(long offset, Span<byte> into)
    {
        lock (_lock)
        {
            if (_disposed) return 0;
            int count = 0;
            if (offset < _kept)
            {
                count = (int)Math.Min(_kept - offset, into.Length);
                _memory.AsSpan((int)offset, count).CopyTo(into);
            }
            for (; count < into.Length && offset + count < _kept + _filed;)
            {
                int got = RandomAccess.Read(_file!, into[count..], offset + count - _kept);
                if (got == 0) throw new IOException("the spool file of a message has become shorter");
                count += got;
            }
            return count;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        lock (_lock)
        {
            _disposed = true;
            if (_memory is not null) ArrayPool<byte>.Shared.Return(_memory);
            _memory = null;
            _file?.Dispose();
            _kept = 0;
            _filed = 0;
        }
    }

    private void Keep(ReadOnlySpan<byte> bytes)
    {
        if (_memory is null || _memory.Length - _kept < bytes.Length)
        {
            byte[] larger = ArrayPool<byte>.Shared.Rent(Math.Min(InMemory, Math.Max(8192, Math.Max(2 * _kept, _kept + bytes.Length))));
            _memory.AsSpan(0, _kept).CopyTo(larger);
            if (_memory is not null) ArrayPool<byte>.Shared.Return(_memory);
            _memory = larger;
        }
        bytes.CopyTo(_memory.AsSpan(_kept));
        _kept += bytes.Length;
    }

    private SafeFileHandle Create()
    {
        Directory.CreateDirectory(directory);
        string path = Path.Combine(directory, $"filter-{Guid.NewGuid():n}");
        SafeFileHandle file = File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.None);
        File.Delete(path);
        return file;
    }
}

using System.Buffers;

namespace Posthouse.Plugs.Filters;

/// <summary>
/// A whole message, as bytes with CRLF line ends and without dot-stuffing. Up to 1 MiB it is in memory, beyond that in a temporary file that no name leads to.
/// Valid until its handler has ended.
/// </summary>
public sealed class Message : IDisposable
{
    /// <summary>How much of a message is kept in memory, bytes.</summary>
    public const int MemoryLimit = 1024 * 1024;

    private byte[] _buffer = [];
    private int _buffered;
    private long _written;
    private FileStream? _file;

    internal Message()
    {
    }

    /// <summary>Size in bytes.</summary>
    public long Length => _written + _buffered;

    /// <summary>Whether it is in memory.</summary>
    public bool IsInMemory => _file is null;

    /// <summary>A stream over the content, at its begin; each call gives another. <c>MimeMessage.Load(message.OpenRead())</c> makes a MIME message of it.</summary>
    public Stream OpenRead()
    {
        if (_file is null) return new MemoryStream(_buffer, 0, _buffered, writable: false);
        WriteOut();
        return new BufferedStream(new FileSection(_file.SafeFileHandle, _written), 16384);
    }

    /// <summary>The content in memory; of a message above <see cref="MemoryLimit"/>, a copy of the file.</summary>
    /// <exception cref="IOException">The message is larger than an array can be, or the file cannot be read.</exception>
    public ReadOnlyMemory<byte> ToMemory()
    {
        if (_file is null) return _buffer.AsMemory(0, _buffered);
        if (Length > Array.MaxLength) throw new IOException("the message is too large for memory");
        byte[] copy = new byte[Length];
        using Stream stream = OpenRead();
        stream.ReadExactly(copy);
        return copy;
    }

    /// <summary>Gives memory and file back.</summary>
    public void Dispose()
    {
        if (_buffer.Length > 0) ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = [];
        _file?.Dispose();
        _file = null;
        _written = _buffered = 0;
    }

    internal void Append(ReadOnlySpan<byte> bytes)
    {
        while (!bytes.IsEmpty)
        {
            if (_buffered == _buffer.Length) MakeRoom(bytes.Length);
            int count = Math.Min(bytes.Length, _buffer.Length - _buffered);
            bytes[..count].CopyTo(_buffer.AsSpan(_buffered));
            _buffered += count;
            bytes = bytes[count..];
        }
    }

    private void MakeRoom(int wanted)
    {
        if (_buffered >= MemoryLimit)
        {
            WriteOut();
            return;
        }

        byte[] larger = ArrayPool<byte>.Shared.Rent(Math.Min(MemoryLimit, Math.Max(16384, Math.Max(_buffer.Length * 2, _buffered + wanted))));
        _buffer.AsSpan(0, _buffered).CopyTo(larger);
        if (_buffer.Length > 0) ArrayPool<byte>.Shared.Return(_buffer);
        _buffer = larger;
    }

    private void WriteOut()
    {
        _file ??= CreateUnlinked();
        RandomAccess.Write(_file.SafeFileHandle, _buffer.AsSpan(0, _buffered), _written);
        _written += _buffered;
        _buffered = 0;
    }

    private static FileStream CreateUnlinked()
    {
        string path = Path.Combine(Path.GetTempPath(), "filter-" + Guid.NewGuid().ToString("n"));
        FileStream stream = new(path, new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.ReadWrite,
            Share = FileShare.ReadWrite | FileShare.Delete,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            BufferSize = 0,
        });
        File.Delete(path);
        return stream;
    }
}

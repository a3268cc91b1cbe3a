using Posthouse.Server.Queueing.Log;

namespace Posthouse.Fuzz.Oracles;

/// <summary>The directory of a log in memory.</summary>
internal sealed class MemoryFiles : ILogFiles
{
    private readonly Dictionary<string, MemoryFile> _files = [];

    public byte[] this[string path]
    {
        get => _files[path].Content;
        set => _files[path] = new MemoryFile { Content = value };
    }

    public IReadOnlyList<string> List(string folder) => [.. _files.Keys.Where(path => Path.GetDirectoryName(path) == folder).Select(path => Path.GetFileName(path))];

    public ILogFile Create(string path) => _files[path] = new MemoryFile();

    public ILogFile Open(string path) => _files[path];

    public void Delete(string path) => _files.Remove(path);

    public void Move(string from, string to)
    {
        if (_files.Remove(from, out MemoryFile? file))
            _files[to] = file;
    }

    public void SyncFolder(string folder)
    {
    }

    public void Dispose()
    {
    }

    private sealed class MemoryFile : ILogFile
    {
        public byte[] Content { get; set; } = [];

        public long Length => Content.Length;

        public int Read(Span<byte> buffer, long offset)
        {
            int count = (int)Math.Clamp(Content.Length - offset, 0, buffer.Length);
            Content.AsSpan((int)Math.Min(offset, Content.Length), count).CopyTo(buffer);
            return count;
        }

        public void Write(IReadOnlyList<ReadOnlyMemory<byte>> pieces, long offset)
        {
            foreach (ReadOnlyMemory<byte> piece in pieces)
            {
                if (Content.Length < offset + piece.Length)
                    Truncate(offset + piece.Length);
                piece.Span.CopyTo(Content.AsSpan((int)offset));
                offset += piece.Length;
            }
        }

        public void Sync()
        {
        }

        public void Truncate(long length)
        {
            byte[] content = new byte[length];
            Content.AsSpan(0, (int)Math.Min(length, Content.Length)).CopyTo(content);
            Content = content;
        }

        public void Dispose()
        {
        }
    }
}

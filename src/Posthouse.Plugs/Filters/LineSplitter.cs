namespace Posthouse.Plugs.Filters;

/// <summary>Cuts a stream of blocks into lines and keeps the one that a block does not end.</summary>
internal sealed class LineSplitter
{
    private const int MaxLine = 1024 * 1024;
    private byte[] _rest = [];
    private int _count;

    public delegate void Sink(ReadOnlySpan<byte> line);

    /// <exception cref="InvalidDataException">A line is longer than 1 MiB.</exception>
    public void Feed(ReadOnlySpan<byte> block, Sink sink)
    {
        while (block.IndexOf((byte)'\n') is int end and >= 0)
        {
            if (_count == 0)
            {
                sink(WithoutReturn(block[..end]));
            }
            else
            {
                Keep(block[..end]);
                int count = _count;
                _count = 0;
                sink(WithoutReturn(_rest.AsSpan(0, count)));
            }

            block = block[(end + 1)..];
        }

        Keep(block);
    }

    /// <summary>Gives out what has no line end.</summary>
    public void Finish(Sink sink)
    {
        int count = _count;
        _count = 0;
        if (count > 0) sink(WithoutReturn(_rest.AsSpan(0, count)));
    }

    public void Clear() => _count = 0;

    private static ReadOnlySpan<byte> WithoutReturn(ReadOnlySpan<byte> line) => line is [.., (byte)'\r'] ? line[..^1] : line;

    private void Keep(ReadOnlySpan<byte> part)
    {
        if (_count + part.Length > MaxLine) throw new InvalidDataException("a line of the message is longer than 1 MiB");
        if (_count + part.Length > _rest.Length) Array.Resize(ref _rest, Math.Max(_rest.Length * 2, _count + part.Length));
        part.CopyTo(_rest.AsSpan(_count));
        _count += part.Length;
    }
}

using System.Text;

namespace Posthouse.Plugs.Filters;

/// <summary>What is still to be written to the server. Who fills it looks at <see cref="Pending"/> and stops in time.</summary>
internal sealed class OutputBuffer
{
    private byte[] _bytes = new byte[65536];
    private int _start, _end;

    public int Pending => _end - _start;

    public ReadOnlySpan<byte> Content => _bytes.AsSpan(_start, _end - _start);

    public void Append(ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(Room(bytes.Length));
        _end += bytes.Length;
    }

    public void Append(byte value)
    {
        Room(1)[0] = value;
        _end++;
    }

    public void Append(string text) => _end += Encoding.UTF8.GetBytes(text, Room(Encoding.UTF8.GetMaxByteCount(text.Length)));

    public void Append(int number)
    {
        number.TryFormat(Room(11), out int count);
        _end += count;
    }

    public void Remove(int count)
    {
        _start += count;
        if (_start == _end) _start = _end = 0;
    }

    private Span<byte> Room(int wanted)
    {
        if (_bytes.Length - _end >= wanted) return _bytes.AsSpan(_end);
        byte[] target = Pending + wanted <= _bytes.Length / 2 ? _bytes : new byte[Math.Max(_bytes.Length * 2, Pending + wanted)];
        Content.CopyTo(target);
        (_bytes, _end, _start) = (target, Pending, 0);
        return _bytes.AsSpan(_end);
    }
}

using System.Buffers;

namespace Posthouse.Wire;

/// <summary>
/// Prepares content for DATA (RFC 5321 section 4.5.2): a dot that begins a line is doubled, and the end is marked. Fed with blocks cut anywhere.
/// A dot behind a LF without CR is doubled as well: the next server may take it for a line end.
/// </summary>
public struct DotStuffer
{
    private byte _previous;
    private byte _beforePrevious;
    private bool _started;

    /// <summary>Writes a block of content.</summary>
    public void Write(ReadOnlySpan<byte> block, IBufferWriter<byte> output)
    {
        if (block.IsEmpty)
            return;
        if (block[0] == '.' && (!_started || _previous == '\n'))
            output.Write("."u8);
        _beforePrevious = block.Length > 1 ? block[^2] : _previous;
        _previous = block[^1];
        _started = true;
        for (int dot; (dot = block.IndexOf("\n."u8)) >= 0;)
        {
            // The dot is written twice: at the end of this piece, and at the beginning of the next.
            output.Write(block[..(dot + 2)]);
            block = block[(dot + 1)..];
        }
        output.Write(block);
    }

    /// <summary>Ends the last line where it is not ended, and writes the dot.</summary>
    public readonly void Finish(IBufferWriter<byte> output)
    {
        if (_started && !(_previous == '\n' && _beforePrevious == '\r'))
            output.Write("\r\n"u8);
        output.Write(".\r\n"u8);
    }
}

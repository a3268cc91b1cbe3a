using System.Buffers;
using System.Buffers.Text;

namespace Posthouse.Server.Hosting.Trials;

/// <summary>Cuts one direction of a conversation with a filter, which comes in blocks, into its lines and payloads.</summary>
internal sealed class FilterStream
{
    // More of a line is not kept.
    private const int LongestKept = 128 * 1024;

    private readonly ArrayBufferWriter<byte> _line = new();
    private bool _isWhole;
    private int _payload;

    internal enum Piece
    {
        /// <summary>The beginning of a line, of which the rest is to come.</summary>
        None,

        /// <summary>A line without its end.</summary>
        Line,

        /// <summary>Some bytes of a payload.</summary>
        Payload,
    }

    /// <summary>Takes the next piece of a block that is not empty; <paramref name="bytes"/> are good until the next call.</summary>
    internal Piece Next(ReadOnlySpan<byte> block, out int consumed, out ReadOnlySpan<byte> bytes)
    {
        if (_payload > 0)
        {
            consumed = Math.Min(_payload, block.Length);
            bytes = block[..consumed];
            _payload -= consumed;
            return Piece.Payload;
        }
        if (_isWhole) _line.ResetWrittenCount();
        int end = block.IndexOf((byte)'\n');
        _isWhole = end >= 0;
        consumed = _isWhole ? end + 1 : block.Length;
        ReadOnlySpan<byte> some = _isWhole ? block[..end] : block;
        _line.Write(some[..Math.Min(some.Length, Math.Max(0, LongestKept - _line.WrittenCount))]);
        bytes = _line.WrittenSpan;
        if (!_isWhole) return Piece.None;
        _payload = PayloadOf(bytes);
        return Piece.Line;
    }

    /// <summary>Field number <paramref name="index"/> of a line, from 0; empty when there are not so many.</summary>
    internal static ReadOnlySpan<byte> Field(ReadOnlySpan<byte> line, int index)
    {
        ReadOnlySpan<byte> rest = From(line, index);
        int bar = rest.IndexOf((byte)'|');
        return bar < 0 ? rest : rest[..bar];
    }

    /// <summary>A line from field number <paramref name="index"/> on.</summary>
    internal static ReadOnlySpan<byte> From(ReadOnlySpan<byte> line, int index)
    {
        for (; index > 0; index--)
        {
            int bar = line.IndexOf((byte)'|');
            if (bar < 0) return default;
            line = line[(bar + 1)..];
        }
        return line;
    }

    /// <summary>How many bytes of payload follow a line.</summary>
    internal static int PayloadOf(ReadOnlySpan<byte> line)
    {
        bool isBulk = line.StartsWith("filter-databulk|"u8) || (line.StartsWith("filter|"u8) && Field(line, 4).SequenceEqual("data-bulk"u8));
        if (!isBulk) return 0;
        ReadOnlySpan<byte> last = line[(line.LastIndexOf((byte)'|') + 1)..].TrimEnd((byte)'\r');
        return Utf8Parser.TryParse(last, out int length, out int used) && used == last.Length && length > 0 ? length : 0;
    }
}

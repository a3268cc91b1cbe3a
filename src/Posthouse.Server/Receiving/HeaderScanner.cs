using System.Text;

namespace Posthouse.Server.Receiving;

/// <summary>
/// Walks down the header of a message, line by line and resumable, to find its end: an empty line, or the first line that is no field, as programs
/// that know no headers send it. It counts the Received fields and says whether the header can be understood; it changes nothing.
/// </summary>
internal struct HeaderScanner
{
    private int _line;
    private bool _hasField;

    /// <summary>Received fields so far.</summary>
    internal int Received { get; private set; }

    /// <summary>Whether the header begins with a continuation, or a field has no name or one with control bytes.</summary>
    internal bool IsMalformed { get; private set; }

    /// <summary>
    /// Looks at the message from its first byte up to what is there now, which is at least what it was the last time. True when the end of the header was found,
    /// with its length: the line ends of its fields are within, the empty line is not.
    /// </summary>
    internal bool TryFindEnd(ReadOnlySpan<byte> message, out int length)
    {
        while (true)
        {
            length = _line;
            ReadOnlySpan<byte> rest = message[_line..];
            int end = rest.IndexOf((byte)'\n');
            if (end < 0)
                return false;
            ReadOnlySpan<byte> line = rest[..end];
            if (line.Length <= 1)
                return true;
            if (line[0] is (byte)' ' or (byte)'\t')
                IsMalformed |= !_hasField;
            else if (!TakeField(line))
                return true;
            _line += end + 1;
        }
    }

    private bool TakeField(ReadOnlySpan<byte> line)
    {
        int colon = line.IndexOf((byte)':');
        if (colon == 0)
        {
            IsMalformed = true;
            return true;
        }
        ReadOnlySpan<byte> name = colon < 0 ? default : line[..colon].TrimEnd(" \t"u8);
        if (name.IsEmpty || name.IndexOfAnyExceptInRange((byte)33, (byte)126) is >= 0 and var odd && (name[odd] is (byte)' ' or (byte)'\t' || name[odd] >= 0x80))
            return false;
        if (name.IndexOfAnyExceptInRange((byte)33, (byte)126) >= 0)
            IsMalformed = true;
        _hasField = true;
        if (name.Length == 8 && Ascii.EqualsIgnoreCase(name, "Received"u8))
            Received++;
        return true;
    }
}

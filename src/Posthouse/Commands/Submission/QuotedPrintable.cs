namespace Posthouse.Commands.Submission;

/// <summary>
/// Encodes a text body as quoted-printable (RFC 2045 6.7), for bodies that SMTP would not carry: lines too long, bare
/// carriage returns, NUL. Lines end at LF, with or without a CR before it; written with CRLF.
/// </summary>
public sealed class QuotedPrintable(Stream output)
{
    private const int LongestLine = 76;

    private int _column;
    private byte? _held;

    /// <summary>Encodes a part of the body.</summary>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        foreach (byte value in bytes)
        {
            // A space, tab or CR is held back until it is known whether a line end follows.
            if (value == '\n')
            {
                if (_held is (byte)' ' or (byte)'\t')
                    Encode(_held.Value);
                _held = null;
                EndLine();
                continue;
            }
            Release();
            if (value is (byte)' ' or (byte)'\t' or (byte)'\r')
                _held = value;
            else if (value is (byte)'=' or < 0x20 or > 0x7e)
                Encode(value);
            else
                Plain(value);
        }
    }

    /// <summary>Ends the body, with a line end if there is none.</summary>
    public void Finish()
    {
        if (_held is { } held)
        {
            _held = null;
            Encode(held);
        }
        if (_column > 0)
            EndLine();
    }

    private void Release()
    {
        if (_held is not { } held)
            return;
        _held = null;
        if (held == '\r')
            Encode(held);
        else
            Plain(held);
    }

    private void Plain(byte value)
    {
        // A dot at the start of a line would have to be stuffed; "From " is quoted by some mailboxes.
        if (_column == 0 && (value is (byte)'.' or (byte)'F'))
        {
            Encode(value);
            return;
        }
        MakeRoom(1);
        output.WriteByte(value);
        _column++;
    }

    private void Encode(byte value)
    {
        MakeRoom(3);
        output.WriteByte((byte)'=');
        output.WriteByte(Hex(value >> 4));
        output.WriteByte(Hex(value & 15));
        _column += 3;
    }

    private void MakeRoom(int width)
    {
        if (_column + width < LongestLine)
            return;
        output.Write("=\r\n"u8);
        _column = 0;
    }

    private void EndLine()
    {
        output.Write("\r\n"u8);
        _column = 0;
    }

    private static byte Hex(int digit) => (byte)(digit < 10 ? '0' + digit : 'A' + digit - 10);
}

namespace Posthouse.Commands.Submission;

/// <summary>Writes lines for DATA: LF becomes CRLF, and a dot at the start of a line is doubled (RFC 5321 4.5.2).</summary>
public sealed class LineStuffer(Stream output)
{
    private bool _atStart = true;
    private bool _afterReturn;

    /// <summary>Writes a part of the body.</summary>
    public void Write(ReadOnlySpan<byte> bytes)
    {
        while (bytes.Length > 0)
        {
            if (_atStart && bytes[0] == '.')
                output.WriteByte((byte)'.');
            int end = bytes.IndexOf((byte)'\n');
            ReadOnlySpan<byte> line = end < 0 ? bytes : bytes[..end];
            output.Write(line);
            if (line.Length > 0)
                _afterReturn = line[^1] == '\r';
            _atStart = end >= 0;
            if (end < 0)
                return;
            EndLine();
            bytes = bytes[(end + 1)..];
        }
    }

    /// <summary>Ends the body, with a line end if there is none.</summary>
    public void Finish()
    {
        if (!_atStart)
            EndLine();
    }

    private void EndLine()
    {
        output.Write(_afterReturn ? "\n"u8 : "\r\n"u8);
        _afterReturn = false;
        _atStart = true;
    }
}

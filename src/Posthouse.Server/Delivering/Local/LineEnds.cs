namespace Posthouse.Server.Delivering.Local;

/// <summary>
/// Turns CRLF into LF, in place and block by block. A CR that ends a block waits for the next one; it may then have to
/// stand in front of that block, which is why a block is read behind <see cref="Spare"/> unused bytes.
/// </summary>
internal struct LineEnds
{
    /// <summary>Unused bytes in front of each block.</summary>
    internal const int Spare = 1;

    private bool _pendingCarriageReturn;

    /// <summary>Leaves the line ends as they are.</summary>
    internal bool Keeps { get; init; }

    /// <summary>Converts a block that stands behind <see cref="Spare"/> bytes of <paramref name="block"/>; the result stands at its beginning. Answers its length.</summary>
    internal int Convert(Span<byte> block)
    {
        if (block.Length <= Spare) return 0;
        Span<byte> rest = block[Spare..];
        if (Keeps)
        {
            rest.CopyTo(block);
            return rest.Length;
        }
        int written = 0;
        if (_pendingCarriageReturn && rest[0] != '\n') block[written++] = (byte)'\r';
        _pendingCarriageReturn = false;
        while (true)
        {
            int end = rest.IndexOf((byte)'\r');
            if (end < 0)
            {
                rest.CopyTo(block[written..]);
                return written + rest.Length;
            }
            if (end + 1 == rest.Length)
            {
                rest[..end].CopyTo(block[written..]);
                _pendingCarriageReturn = true;
                return written + end;
            }
            int keep = rest[end + 1] == '\n' ? end : end + 1;
            rest[..keep].CopyTo(block[written..]);
            written += keep;
            rest = rest[(end + 1)..];
        }
    }

    /// <summary>Ends the message: a CR that still waits was a bare one.</summary>
    internal int Finish(Span<byte> block)
    {
        if (!_pendingCarriageReturn) return 0;
        _pendingCarriageReturn = false;
        block[0] = (byte)'\r';
        return 1;
    }
}

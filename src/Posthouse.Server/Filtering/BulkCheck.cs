using Posthouse.Wire;

namespace Posthouse.Server.Filtering;

/// <summary>Watches what a filter lets out in chunks: lines of a message end with CRLF, and there is no NUL in it.</summary>
internal struct BulkCheck
{
    private DataScanner _scanner;
    private bool _begun;

    /// <summary>Looks at the next bytes; false when they cannot be part of a message.</summary>
    internal bool Take(Span<byte> bytes)
    {
        if (!_begun) (_scanner, _begun) = (DataScanner.ForChunks, true);
        _scanner.Scan(bytes, out _);
        return !_scanner.HasBareLineEnds && _scanner.Nuls == 0;
    }

    /// <summary>There are no more; <paramref name="missing"/> makes the last line whole. False when it cannot be one.</summary>
    internal bool End(out ReadOnlySpan<byte> missing)
    {
        missing = !_begun || _scanner.IsAtLineStart ? default : "\r\n"u8;
        _scanner.Finish();
        return !_scanner.HasBareLineEnds;
    }
}

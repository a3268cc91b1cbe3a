using Posthouse.Server.Model;

namespace Posthouse.Server.Delivering.Local;

/// <summary>Puts a <c>&gt;</c> before each line of a message that begins with <c>From </c>, so that readers of an mbox do not take it for the next message. Works block by block.</summary>
internal sealed class FromQuoter
{
    internal delegate DeliveryResult? Sink(ReadOnlySpan<byte> block);

    private static ReadOnlySpan<byte> Mark => "From "u8;

    // How much of the mark the current line has matched so far; -1 when the line is not one to quote.
    private int _matched;

    /// <summary>Whether what was written ends with a line end (or nothing was written).</summary>
    internal bool EndsLine { get; private set; } = true;

    internal DeliveryResult? Write(ReadOnlySpan<byte> block, Sink sink)
    {
        while (!block.IsEmpty)
        {
            if (_matched >= 0)
            {
                // At a line's beginning; what matches is held back until it is clear whether a mark stands there.
                if (block[0] == Mark[_matched])
                {
                    block = block[1..];
                    if (++_matched < Mark.Length) continue;
                    _matched = -1;
                    EndsLine = false;
                    if (sink(">From "u8) is { } failed) return failed;
                    continue;
                }
                if (Release(sink) is { } failure) return failure;
            }
            // A possible mark inside the block that is whole or cut off by its end; everything before it goes out at once.
            int end = NextMark(block);
            if (sink(block[..end]) is { } refused) return refused;
            EndsLine = block[end - 1] == '\n';
            _matched = EndsLine ? 0 : -1;
            block = block[end..];
        }
        return null;
    }

    internal DeliveryResult? Finish(Sink sink) => Release(sink);

    private DeliveryResult? Release(Sink sink)
    {
        int held = Math.Max(_matched, 0);
        _matched = -1;
        if (held == 0) return null;
        EndsLine = false;
        return sink(Mark[..held]);
    }

    // The place behind the next line end that is followed by an F or by the end of the block; else the whole block.
    private static int NextMark(ReadOnlySpan<byte> block)
    {
        int found = block.IndexOf("\nF"u8);
        if (found >= 0) return found + 1;
        return block.Length;
    }
}

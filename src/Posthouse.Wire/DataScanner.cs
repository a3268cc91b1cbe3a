using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Posthouse.Wire;

/// <summary>
/// Finds the end of the content of DATA and takes the stuffed dots out (RFC 5321 section 4.5.2), over blocks cut anywhere. Only CRLF ends a line and
/// only CRLF.CRLF ends the content; a bare CR or LF is counted, so that the message can be refused and nothing can be smuggled.
/// <para>
/// 64 bytes are looked at together: four vectors are compared with CR, LF, dot and NUL, and the results become one bit mask each. Every LF has a CR
/// before it, and the other way round, when the mask of CR shifted by one equals the mask of LF; a line begins with a dot where the mask of LF shifted
/// by one meets the mask of dots. Where one of these says something unusual, and at the ends of blocks, a state machine goes byte by byte.
/// Content is compacted in place, so that a block of input becomes one block of content and nothing is copied as long as there was no dot to take out.
/// </para>
/// </summary>
public struct DataScanner
{
    private const int Stride = 64;

    private enum State : byte
    {
        LineStart,
        Text,
        // A CR was seen within a line.
        CarriageReturn,
        // A dot began the line and was taken out.
        Dot,
        // The same, and then a CR: a LF now ends the content.
        DotCarriageReturn,
        Done,
    }

    private State _state;
    private readonly bool _counted;
    private long _line;

    private DataScanner(bool counted) => _counted = counted;

    /// <summary>A scanner for the chunks of BDAT (RFC 3030), which have no end mark and no dots to take out.</summary>
    public static DataScanner ForChunks => new(counted: true);

    /// <summary>Whether the end was found.</summary>
    public readonly bool IsComplete => _state == State.Done;

    /// <summary>Bytes of content, line ends included.</summary>
    public long Size { get; private set; }

    /// <summary>CRs without a LF behind them.</summary>
    public long BareCarriageReturns { get; private set; }

    /// <summary>LFs without a CR before them.</summary>
    public long BareLineFeeds { get; private set; }

    /// <summary>NUL bytes.</summary>
    public long Nuls { get; private set; }

    /// <summary>The longest line in bytes, its CRLF included.</summary>
    public long LongestLine { get; private set; }

    /// <summary>The line that has not ended yet in bytes, a CR at its end included.</summary>
    public readonly long CurrentLine => _line;

    /// <summary>Whether a CR or LF stood alone.</summary>
    public readonly bool HasBareLineEnds => (BareCarriageReturns | BareLineFeeds) != 0;

    /// <summary>Whether the content so far ends with CRLF, or is empty.</summary>
    public readonly bool IsAtLineStart => _state is State.LineStart or State.Done;

    /// <summary>
    /// Scans a block. What <paramref name="consumed"/> covers has become content in the first bytes of <paramref name="block"/>, as many as the result says;
    /// the rest stays as it is: it follows the end of the content.
    /// </summary>
    public int Scan(Span<byte> block, out int consumed)
    {
        int read = 0, write = 0;
        while (read < block.Length && _state != State.Done)
        {
            if (block.Length - read >= Stride && _state <= State.CarriageReturn && TryScanStride(block, read, write))
            {
                read += Stride;
                write += Stride;
                continue;
            }
            int stop = Math.Min(block.Length, read + Stride);
            while (read < stop && _state != State.Done)
                Step(block, block[read++], ref write);
        }
        consumed = read;
        Size += write;
        return write;
    }

    /// <summary>To be called behind the last chunk of BDAT: a CR at the very end is bare.</summary>
    public void Finish()
    {
        if (_state == State.CarriageReturn)
            BareCarriageReturns++;
        LongestLine = Math.Max(LongestLine, _line);
        _state = State.Done;
    }

    // True when all of the 64 bytes at read are content and pass the checks; they are then at write.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private bool TryScanStride(Span<byte> block, int read, int write)
    {
        ref byte first = ref MemoryMarshal.GetReference(block);
        Vector128<byte> a = Vector128.LoadUnsafe(ref first, (nuint)read);
        Vector128<byte> b = Vector128.LoadUnsafe(ref first, (nuint)read + 16);
        Vector128<byte> c = Vector128.LoadUnsafe(ref first, (nuint)read + 32);
        Vector128<byte> d = Vector128.LoadUnsafe(ref first, (nuint)read + 48);
        ulong carriageReturns = Mask(a, b, c, d, (byte)'\r');
        ulong lineFeeds = Mask(a, b, c, d, (byte)'\n');
        ulong afterCarriageReturns = carriageReturns << 1 | (_state == State.CarriageReturn ? 1UL : 0);
        if (afterCarriageReturns != lineFeeds)
            return false;
        if (!_counted)
        {
            ulong lineStarts = lineFeeds << 1 | (_state == State.LineStart ? 1UL : 0);
            if ((lineStarts & Mask(a, b, c, d, (byte)'.')) != 0)
                return false;
        }
        Nuls += BitOperations.PopCount(Mask(a, b, c, d, 0));
        MeasureLines(lineFeeds);
        if (write != read)
        {
            a.StoreUnsafe(ref first, (nuint)write);
            b.StoreUnsafe(ref first, (nuint)write + 16);
            c.StoreUnsafe(ref first, (nuint)write + 32);
            d.StoreUnsafe(ref first, (nuint)write + 48);
        }
        _state = lineFeeds >> 63 != 0 ? State.LineStart : carriageReturns >> 63 != 0 ? State.CarriageReturn : State.Text;
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Mask(Vector128<byte> a, Vector128<byte> b, Vector128<byte> c, Vector128<byte> d, byte value)
    {
        Vector128<byte> wanted = Vector128.Create(value);
        return Vector128.Equals(a, wanted).ExtractMostSignificantBits()
            | (ulong)Vector128.Equals(b, wanted).ExtractMostSignificantBits() << 16
            | (ulong)Vector128.Equals(c, wanted).ExtractMostSignificantBits() << 32
            | (ulong)Vector128.Equals(d, wanted).ExtractMostSignificantBits() << 48;
    }

    private void MeasureLines(ulong lineFeeds)
    {
        if (lineFeeds == 0)
        {
            _line += Stride;
            return;
        }
        int end = BitOperations.TrailingZeroCount(lineFeeds) + 1;
        LongestLine = Math.Max(LongestLine, _line + end);
        // A line that lies within these 64 bytes matters only as long as no longer one was seen.
        if (LongestLine < Stride)
        {
            for (ulong rest = lineFeeds & (lineFeeds - 1); rest != 0; rest &= rest - 1)
            {
                int next = BitOperations.TrailingZeroCount(rest) + 1;
                LongestLine = Math.Max(LongestLine, next - end);
                end = next;
            }
        }
        _line = BitOperations.LeadingZeroCount(lineFeeds);
    }

    private void Step(Span<byte> block, byte value, ref int write)
    {
        switch (_state)
        {
            case State.LineStart when value == '.' && !_counted:
                _state = State.Dot;
                return;
            case State.Dot when value == '\r':
                _state = State.DotCarriageReturn;
                return;
            case State.DotCarriageReturn when value == '\n':
                _state = State.Done;
                return;
            case State.DotCarriageReturn:
                // The CR that was held back is bare: the message is spoilt, and one byte less of it does no harm.
                BareCarriageReturns++;
                _state = State.Text;
                break;
        }
        block[write++] = value;
        _line++;
        if (_state == State.CarriageReturn)
        {
            if (value == '\n')
            {
                LongestLine = Math.Max(LongestLine, _line);
                _line = 0;
                _state = State.LineStart;
                return;
            }
            BareCarriageReturns++;
        }
        else if (value == '\n')
            BareLineFeeds++;
        if (value == 0)
            Nuls++;
        _state = value == '\r' ? State.CarriageReturn : State.Text;
    }
}

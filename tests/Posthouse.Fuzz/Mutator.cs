using System.Globalization;
using System.Text;

namespace Posthouse.Fuzz;

/// <summary>Makes new inputs of old ones: the usual small damages, words of the protocol, splices. The same seed makes the same inputs.</summary>
internal sealed class Mutator(Random random, IReadOnlyList<byte[]> words)
{
    /// <summary>The longest input made, in bytes: beyond the bounds of every parser of lines.</summary>
    public const int MaxLength = 8192;

    private static ReadOnlySpan<byte> Notable => "\0\t\n\r !\"#$'()+,-./0:;<=>@[\\]{|}~\u007f\u0085\u00a0\u2028\ufffd"u8;

    private static readonly long[] s_numbers = [0, 1, -1, 9, 127, 128, 255, 256, 511, 512, 4096, 65535, 65536, int.MaxValue, 1L << 31, uint.MaxValue, 253402300800, long.MaxValue];

    /// <summary>Changes one of <paramref name="corpus"/> or, as often, one of <paramref name="pool"/>, and may splice in any of the latter.</summary>
    public byte[] Next(IReadOnlyList<byte[]> corpus, IReadOnlyList<byte[]> pool)
    {
        List<byte> bytes = [.. Pick(random.Next(2) == 0 ? corpus : pool)];
        for (int rounds = 1 << random.Next(5); rounds > 0; rounds--)
            Change(bytes, pool);
        return bytes.Count <= MaxLength ? [.. bytes] : [.. bytes[..MaxLength]];
    }

    private void Change(List<byte> bytes, IReadOnlyList<byte[]> pool)
    {
        int at = random.Next(bytes.Count + 1);
        int length = Math.Min(1 << random.Next(10), bytes.Count - at);
        switch (random.Next(14))
        {
            case 0 when at < bytes.Count:
                bytes[at] ^= (byte)(1 << random.Next(8));
                break;
            case 1 when at < bytes.Count:
                bytes[at] = (byte)random.Next(256);
                break;
            case 2 when at < bytes.Count:
                bytes[at] = Notable[random.Next(Notable.Length)];
                break;
            case 3:
                bytes.Insert(at, Notable[random.Next(Notable.Length)]);
                break;
            case 4 or 5 when words.Count != 0:
                bytes.InsertRange(at, Pick(words));
                break;
            case 6 when words.Count != 0:
                byte[] word = Pick(words);
                bytes.RemoveRange(at, Math.Min(word.Length, bytes.Count - at));
                bytes.InsertRange(at, word);
                break;
            case 7:
                bytes.RemoveRange(at, Math.Min(length, 1 + random.Next(16)));
                break;
            case 8:
                bytes.RemoveRange(at, random.Next(8) == 0 ? bytes.Count - at : length);
                break;
            case 9 when bytes.Count + length <= MaxLength:
                bytes.InsertRange(random.Next(bytes.Count + 1), bytes.GetRange(at, length));
                break;
            case 10:
                Splice(bytes, at, Pick(pool));
                break;
            case 11 when random.Next(4) == 0:
                Grow(bytes, at);
                break;
            case 12 when bytes.Count < MaxLength / 2:
                RepeatWord(bytes, at);
                break;
            default:
                ReplaceNumber(bytes, at);
                break;
        }
    }

    // A parameter, line or entry given twice: what stands between separators, with the one before it.
    private static void RepeatWord(List<byte> bytes, int at)
    {
        static bool IsSeparator(byte b) => b is (byte)' ' or (byte)'\n' or (byte)',';
        int start = Math.Max(0, at < bytes.Count ? bytes.FindLastIndex(at, IsSeparator) : 0);
        int end = start + 1 < bytes.Count ? bytes.FindIndex(start + 1, IsSeparator) : -1;
        bytes.InsertRange(start, bytes.GetRange(start, (end < 0 ? bytes.Count : end) - start));
    }

    // The next number becomes one at which something may end.
    private void ReplaceNumber(List<byte> bytes, int at)
    {
        static bool IsDigit(byte b) => b is >= (byte)'0' and <= (byte)'9';
        int start = bytes.FindIndex(at, IsDigit);
        if (start < 0)
            start = bytes.Count;
        int end = start;
        while (end < bytes.Count && IsDigit(bytes[end]))
            end++;
        bytes.RemoveRange(start, end - start);
        bytes.InsertRange(start, Encoding.ASCII.GetBytes(s_numbers[random.Next(s_numbers.Length)].ToString(CultureInfo.InvariantCulture)));
    }

    private void Splice(List<byte> bytes, int at, byte[] other)
    {
        bytes.RemoveRange(at, bytes.Count - at);
        bytes.AddRange(other[random.Next(other.Length + 1)..]);
    }

    // Bounds are found by repetition: of a byte, or of what stands here.
    private void Grow(List<byte> bytes, int at)
    {
        byte[] piece = at == bytes.Count ? [(byte)'a'] : [.. bytes.GetRange(at, Math.Min(1 + random.Next(4), bytes.Count - at))];
        int count = Math.Min(1 << random.Next(13), (MaxLength - bytes.Count) / piece.Length);
        for (List<byte> all = []; count > 0; count--)
        {
            all.AddRange(piece);
            if (count == 1)
                bytes.InsertRange(at, all);
        }
    }

    private byte[] Pick(IReadOnlyList<byte[]> from) => from.Count == 0 ? [] : from[random.Next(from.Count)];
}

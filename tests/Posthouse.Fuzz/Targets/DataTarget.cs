using System.Buffers;
using System.Text;
using Posthouse.Wire;

namespace Posthouse.Fuzz.Targets;

/// <summary>
/// The content of DATA and BDAT in blocks cut anywhere. The first byte of an input chooses the cuts and whether it is BDAT; what the scanner takes
/// is also stuffed again and scanned once more.
/// </summary>
public sealed class DataTarget : IFuzzTarget
{
    public static string Name => "data";

    public static IReadOnlyList<string> Words { get; } =
        ["\r\n", "\r\n.\r\n", "\r\n.", "\r\n..", "\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r\n", "\r\n.\r", "\r\r\n", ".\r\n", "\0", "QUIT\r\n", new('x', 62), new('x', 63), new('x', 64), new('.', 64)];

    private sealed record Outcome(string Content, bool IsComplete, int Consumed, long BareCarriageReturns, long BareLineFeeds, long Nuls, long LongestLine);

    public static bool Run(ReadOnlySpan<byte> input)
    {
        if (input.IsEmpty)
            return false;
        byte[] bytes = input[1..].ToArray();
        bool chunks = (input[0] & 0x80) != 0;
        int step = (input[0] & 0x7F) == 0 ? int.MaxValue : input[0] & 0x7F;
        Outcome expected = chunks ? ExpectedChunks(bytes) : Expected(bytes);
        Outcome found = Scan(bytes, step, chunks);
        MismatchException.ThrowUnlessSame(expected, found, "the content");
        MismatchException.ThrowUnlessSame(expected, Scan(bytes, int.MaxValue, chunks), "the content in one block");
        if (expected.IsComplete && expected.BareCarriageReturns + expected.BareLineFeeds == 0)
            Restuff(expected.Content, step, chunks);
        return expected.IsComplete;
    }

    private static Outcome Scan(byte[] input, int step, bool chunks)
    {
        DataScanner scanner = chunks ? DataScanner.ForChunks : default;
        var content = new StringBuilder();
        int at = 0;
        while (at < input.Length && !scanner.IsComplete)
        {
            byte[] block = input[at..(int)Math.Min((long)at + step, input.Length)];
            int length = scanner.Scan(block, out int consumed);
            content.Append(Encoding.Latin1.GetString(block, 0, length));
            at += consumed;
            MismatchException.ThrowUnless(consumed == block.Length || scanner.IsComplete, "a block was left before the end");
            MismatchException.ThrowUnlessSame(content.Length, scanner.Size, "the size");
            MismatchException.ThrowUnless(!scanner.IsAtLineStart || content.Length == 0 || content.ToString().EndsWith("\r\n", StringComparison.Ordinal), "it is no line start");
        }

        if (chunks)
            scanner.Finish();
        return new(content.ToString(), scanner.IsComplete, at, scanner.BareCarriageReturns, scanner.BareLineFeeds, scanner.Nuls, scanner.LongestLine);
    }

    // RFC 5321 section 4.5.2, line by line.
    private static Outcome Expected(byte[] input)
    {
        string text = Encoding.Latin1.GetString(input);
        var content = new StringBuilder();
        long longest = 0;
        bool complete = false;
        int at = 0;
        while (!complete && at < text.Length)
        {
            int end = text.IndexOf("\r\n", at, StringComparison.Ordinal);
            string line = end < 0 ? text[at..] : text[at..end];
            at = end < 0 ? text.Length : end + 2;
            complete = end >= 0 && line == ".";
            if (complete)
                break;
            // Behind the dot that is taken out, a CR that ends nothing goes with it: such a message is refused.
            line = line.StartsWith(".\r", StringComparison.Ordinal) ? line[2..] : line.StartsWith('.') ? line[1..] : line;
            content.Append(line);
            if (end >= 0)
            {
                content.Append("\r\n");
                longest = Math.Max(longest, line.Length + 2);
            }
        }

        string rest = text[..at].Replace("\r\n", "", StringComparison.Ordinal);
        // Of a CR at the very end it is not known yet what it is.
        long carriageReturns = rest.Count(c => c == '\r') - (rest.EndsWith('\r') && text[..at].EndsWith('\r') ? 1 : 0);
        return new(content.ToString(), complete, at, carriageReturns, rest.Count(c => c == '\n'), content.ToString().Count(c => c == '\0'), longest);
    }

    private static Outcome ExpectedChunks(byte[] input)
    {
        string text = Encoding.Latin1.GetString(input);
        string[] lines = text.Split("\r\n");
        string rest = text.Replace("\r\n", "", StringComparison.Ordinal);
        long longest = Math.Max(lines[^1].Length, lines.Length == 1 ? 0 : lines[..^1].Max(line => line.Length + 2));
        return new(text, true, text.Length, rest.Count(c => c == '\r'), rest.Count(c => c == '\n'), text.Count(c => c == '\0'), longest);
    }

    // What goes out by DATA comes in the same, but for the CRLF that the last line may lack.
    private static void Restuff(string content, int step, bool chunks)
    {
        byte[] bytes = Encoding.Latin1.GetBytes(content);
        var stuffed = new ArrayBufferWriter<byte>();
        DotStuffer stuffer = default;
        for (int at = 0; at < bytes.Length; at += Math.Min(step, bytes.Length - at))
            stuffer.Write(bytes.AsSpan(at, Math.Min(step, bytes.Length - at)), stuffed);
        stuffer.Finish(stuffed);
        Outcome again = Scan(stuffed.WrittenSpan.ToArray(), step, chunks: false);
        bool lacksEnd = chunks && content.Length != 0 && !content.EndsWith("\r\n", StringComparison.Ordinal);
        MismatchException.ThrowUnlessSame((true, lacksEnd ? content + "\r\n" : content), (again.IsComplete, again.Content), "the content stuffed and scanned");
    }
}

using System.Text;
using CsCheck;
using Posthouse.Wire;

namespace Posthouse.Tests.Wire;

public class DataScannerTests
{
    private static readonly string[] s_odd = ["\r\n", "\r\n.", "\r\n..", ".", "a", "\0", "\r\n.\r", "\n", "\r"];

    private sealed record Outcome(string Content, int Consumed, bool Complete, long BareCr, long BareLf, long Nuls, long Longest);

    private static Outcome Scan(byte[] input, IEnumerable<int> cuts)
    {
        DataScanner scanner = default;
        StringBuilder content = new();
        int from = 0;
        foreach (int cut in cuts.Select(cut => Math.Min(cut, input.Length)).Order().Append(input.Length))
        {
            byte[] block = input[from..cut];
            int length = scanner.Scan(block, out int consumed);
            content.Append(Encoding.Latin1.GetString(block, 0, length));
            from += consumed;
            Assert.True(scanner.IsComplete || from == cut);
            if (scanner.IsComplete)
                break;
        }
        Assert.Equal(content.Length, scanner.Size);
        return new(content.ToString(), from, scanner.IsComplete, scanner.BareCarriageReturns, scanner.BareLineFeeds, scanner.Nuls, scanner.LongestLine);
    }

    // The oracle: one line at a time, by the words of RFC 5321 section 4.5.2. For input that ends with CRLF.CRLF somewhere.
    private static Outcome ScanSlowly(byte[] input)
    {
        string text = Encoding.Latin1.GetString(input);
        string content = "";
        int at = 0;
        long longest = 0;
        while (true)
        {
            int end = text.IndexOf("\r\n", at, StringComparison.Ordinal) + 2;
            string line = text[at..end];
            at = end;
            if (line == ".\r\n")
                break;
            if (line[0] == '.')
                line = line[1..];
            longest = Math.Max(longest, line.Length);
            content += line;
        }
        string scanned = text[..at];
        string paired = scanned.Replace("\r\n", "", StringComparison.Ordinal);
        return new(content, at, true, paired.Count(c => c == '\r'), paired.Count(c => c == '\n'), content.Count(c => c == '\0'), longest);
    }

    [Fact]
    public void Agrees_with_a_slow_oracle_wherever_blocks_are_cut()
    {
        Gen<string> piece = Gen.OneOf(Gen.Int[0, 8].Select(i => s_odd[i]), Gen.Int[1, 200].Select(n => new string('x', n)));
        Gen.Select(piece.Array[0, 30], Gen.Int[0, 1500].Array[0, 8]).Sample((pieces, cuts) =>
        {
            byte[] input = Encoding.Latin1.GetBytes(string.Concat(pieces) + "\r\n.\r\nQUIT\r\n");
            Outcome expected = ScanSlowly(input), found = Scan(input, cuts);
            // Behind a line of dot and bare CR that CR is not content: such a message is refused.
            if (expected.BareCr != 0)
                (expected, found) = (expected with { Content = "", Longest = 0 }, found with { Content = "", Longest = 0 });
            Assert.Equal(expected, found);
        }, iter: 20_000);
    }

    [Theory]
    [InlineData(".\r\n", "")]
    [InlineData("a\r\n.\r\n", "a\r\n")]
    [InlineData("..\r\n.\r\n", ".\r\n")]
    [InlineData("\r\n.\r\n", "\r\n")]
    [InlineData(".a\r\n...\r\n.\r\n", "a\r\n..\r\n")]
    public void Every_cut_gives_the_same(string input, string content)
    {
        byte[] bytes = Encoding.ASCII.GetBytes(input);
        for (int cut = 0; cut <= bytes.Length; cut++)
        {
            Outcome found = Scan(bytes, [cut]);
            Assert.True(found.Complete);
            Assert.Equal((content, 0, 0), (found.Content, found.BareCr, found.BareLf));
        }
        Assert.True(Scan(bytes, Enumerable.Range(0, bytes.Length)).Complete);
    }

    [Theory]
    [InlineData("a\n.\r\n")]
    [InlineData("a\n.\n")]
    [InlineData("a\r\n.\n")]
    [InlineData("a\r.\r\n")]
    [InlineData("a\r\n.\rb\n")]
    [InlineData("a\r\r\n.\r\r\n")]
    public void Cve_2023_51764_nothing_but_crlf_dot_crlf_ends_the_content(string smuggled)
    {
        Outcome found = Scan(Encoding.ASCII.GetBytes(smuggled), []);
        Assert.False(found.Complete);
        Assert.NotEqual(0, found.BareCr + found.BareLf);
    }

    [Fact]
    public void Chunks_keep_their_dots()
    {
        DataScanner scanner = DataScanner.ForChunks;
        byte[] chunk = "a\r\n.\r\n..b\r"u8.ToArray();
        Assert.Equal(chunk.Length, scanner.Scan(chunk, out int consumed));
        Assert.Equal(chunk.Length, consumed);
        Assert.False(scanner.IsComplete);
        Assert.False(scanner.HasBareLineEnds);
        scanner.Finish();
        Assert.True(scanner.IsComplete);
        Assert.Equal(1, scanner.BareCarriageReturns);
    }

    [Fact]
    public void A_long_line_is_measured_across_blocks()
    {
        byte[] input = [.. Enumerable.Repeat((byte)'a', 5000), .. "\r\nb\r\n.\r\n"u8];
        Assert.Equal(5002, Scan(input, [100, 1000, 3333]).Longest);
    }

    [Fact]
    public void The_line_that_has_not_ended_is_measured_over_blocks()
    {
        DataScanner scanner = default;
        byte[] block = new byte[200];
        block.AsSpan().Fill((byte)'x');
        scanner.Scan(block, out _);
        scanner.Scan(block, out _);
        Assert.Equal((400, 0), (scanner.CurrentLine, scanner.LongestLine));
        scanner.Scan("\r\nab"u8.ToArray(), out _);
        Assert.Equal((2, 402), (scanner.CurrentLine, scanner.LongestLine));
    }
}

using System.Text;
using CsCheck;
using Posthouse.Server.Delivering.Local;

namespace Posthouse.Tests.Delivering.Local;

public class LineEndsTests
{
    [Fact]
    public void Blocks_of_any_cut_give_the_same_as_replacing_all_at_once() =>
        Gen.Select(Gen.Int[0, 5].Select(i => new[] { "a", "\r", "\n", "\r\n", "bc", "From " }[i]).Array[0, 30], Gen.Int[1, 7]).Sample((pieces, step) =>
        {
            string text = string.Concat(pieces);
            LineEnds ends = default;
            StringBuilder result = new();
            byte[] block = new byte[step + LineEnds.Spare];
            byte[] source = Encoding.Latin1.GetBytes(text);
            for (int at = 0; at < source.Length; at += step)
            {
                int length = Math.Min(step, source.Length - at);
                source.AsSpan(at, length).CopyTo(block.AsSpan(LineEnds.Spare));
                result.Append(Encoding.Latin1.GetString(block, 0, ends.Convert(block.AsSpan(0, length + LineEnds.Spare))));
            }
            result.Append(Encoding.Latin1.GetString(block, 0, ends.Finish(block)));
            Assert.Equal(text.Replace("\r\n", "\n"), result.ToString());
        });

    [Fact]
    public void Quoting_of_any_cut_is_that_of_the_whole() =>
        Gen.Select(Gen.Int[0, 6].Select(i => new[] { "From ", "Fro", "F", "\n", "x", "\nFrom ", "\nF" }[i]).Array[0, 30], Gen.Int[1, 7]).Sample((pieces, step) =>
        {
            string text = string.Concat(pieces);
            StringBuilder result = new();
            FromQuoter quoter = new();
            FromQuoter.Sink sink = block => { result.Append(Encoding.Latin1.GetString(block)); return null; };
            byte[] source = Encoding.Latin1.GetBytes(text);
            for (int at = 0; at < source.Length; at += step) quoter.Write(source.AsSpan(at, Math.Min(step, source.Length - at)), sink);
            quoter.Finish(sink);
            string expected = string.Join('\n', text.Split('\n').Select(line => line.StartsWith("From ", StringComparison.Ordinal) ? ">" + line : line));
            Assert.Equal(expected, result.ToString());
            Assert.Equal(text.Length == 0 || text.EndsWith('\n'), quoter.EndsLine);
        });
}

using System.Text;
using Posthouse.Server.Hosting.Trials;

namespace Posthouse.Tests.Hosting;

/// <summary>What passes between a server and its filter, cut into lines and payloads.</summary>
public sealed class FilterStreamTests
{
    private const string Conversation = "config|ready\nfilter|0.7|1.000000|smtp-in|data-bulk|a|b|9\nab\ncd|\n\n\nfilter|0.7|1.000000|smtp-in|data-bulk|a|b|0\nfilter-databulk|a|b|2\r\nx\nfilter|0.7|1|smtp-in|quit|a|b|\n";

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(7)]
    [InlineData(1000)]
    public void Lines_and_payloads_are_told_apart_wherever_the_blocks_end(int size)
    {
        FilterStream stream = new();
        List<string> lines = [];
        StringBuilder payload = new();
        byte[] bytes = Encoding.ASCII.GetBytes(Conversation);
        for (int at = 0; at < bytes.Length; at += size)
        {
            ReadOnlySpan<byte> block = bytes.AsSpan(at, Math.Min(size, bytes.Length - at));
            while (!block.IsEmpty)
            {
                FilterStream.Piece piece = stream.Next(block, out int consumed, out ReadOnlySpan<byte> some);
                if (piece == FilterStream.Piece.Line) lines.Add(Encoding.ASCII.GetString(some));
                else if (piece == FilterStream.Piece.Payload) payload.Append(Encoding.ASCII.GetString(some));
                block = block[consumed..];
            }
        }
        Assert.Equal(
            ["config|ready", "filter|0.7|1.000000|smtp-in|data-bulk|a|b|9", "filter|0.7|1.000000|smtp-in|data-bulk|a|b|0", "filter-databulk|a|b|2\r", "filter|0.7|1|smtp-in|quit|a|b|"],
            lines);
        Assert.Equal("ab\ncd|\n\n\nx\n", payload.ToString());
    }

    [Theory]
    [InlineData("link-connect", "link-connect", 1)]
    [InlineData("data-line:12", "data-line", 12)]
    [InlineData("data-bulk:2", "data-bulk", 2)]
    public void A_crash_point_is_a_word_and_perhaps_a_number(string text, string word, int occurrence) => Assert.Equal(new CrashPoint(word, occurrence), CrashPoint.Parse(text));

    [Theory]
    [InlineData("")]
    [InlineData("Data-line")]
    [InlineData("commit:")]
    [InlineData("commit:0")]
    [InlineData("commit:-1")]
    [InlineData("commit:99999999999")]
    public void Everything_else_is_none(string text) => Assert.Null(CrashPoint.Parse(text));
}

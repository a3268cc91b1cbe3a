using CsCheck;
using Posthouse.Server.Processes;

namespace Posthouse.Tests.Processes;

public class PayloadTests
{
    [Fact]
    public void What_is_written_is_read()
    {
        ReadOnlyMemory<byte> payload = new PayloadWriter().Byte(7).Flag(true).Number(-3).Long(long.MinValue).Block([1, 2]).Text("grüße").Optional(null).Optional("x").Payload;
        PayloadReader reader = new(payload.Span);
        Assert.Equal(7, reader.Byte());
        Assert.True(reader.Flag());
        Assert.Equal(-3, reader.Number());
        Assert.Equal(long.MinValue, reader.Long());
        Assert.Equal([1, 2], reader.Block(2).ToArray());
        Assert.Equal("grüße", reader.Text(100));
        Assert.Null(reader.Optional(100));
        Assert.Equal("x", reader.Optional(100));
        Assert.True(reader.IsWhole);
    }

    [Fact]
    public void Any_bytes_are_read_without_harm() =>
        Gen.Select(Gen.Byte.Array[0, 60], Gen.Int[0, 5].Array[1, 12]).Sample((bytes, steps) =>
        {
            PayloadReader reader = new(bytes);
            foreach (int step in steps)
            {
                switch (step)
                {
                    case 0: reader.Byte(); break;
                    case 1: reader.Flag(); break;
                    case 2: reader.Long(); break;
                    case 3: Assert.InRange(reader.Block(20).Length, 0, 20); break;
                    case 4: Assert.InRange(reader.Text(20).Length, 0, 20); break;
                    default: Assert.InRange(reader.Count(9), 0, 9); break;
                }
            }
        });

    [Fact]
    public void What_is_cut_off_or_left_over_is_not_whole()
    {
        byte[] payload = new PayloadWriter().Text("text").Payload.ToArray();
        for (int length = 0; length < payload.Length; length++)
        {
            PayloadReader cut = new(payload.AsSpan(0, length));
            Assert.Equal("", cut.Text(10));
            Assert.False(cut.IsWhole);
        }
        PayloadReader more = new([.. payload, 0]);
        Assert.Equal("text", more.Text(10));
        Assert.True(more.IsSound);
        Assert.False(more.IsWhole);
    }

    [Theory]
    [InlineData("a\nb")]
    [InlineData("\0")]
    [InlineData("\x7f")]
    public void A_text_has_no_control_characters(string text)
    {
        PayloadReader reader = new(new PayloadWriter().Text(text).Payload.Span);
        Assert.Equal("", reader.Text(100));
        Assert.False(reader.IsSound);
    }

    [Fact]
    public void A_text_is_bounded_and_in_UTF_8()
    {
        PayloadReader tooLong = new(new PayloadWriter().Text("12345").Payload.Span);
        tooLong.Text(4);
        Assert.False(tooLong.IsSound);
        PayloadReader malformed = new(new PayloadWriter().Block([0xff]).Payload.Span);
        malformed.Text(4);
        Assert.False(malformed.IsSound);
        PayloadReader negative = new(new PayloadWriter().Number(-1).Payload.Span);
        Assert.True(negative.Block(4).IsEmpty);
        Assert.False(negative.IsSound);
    }
}

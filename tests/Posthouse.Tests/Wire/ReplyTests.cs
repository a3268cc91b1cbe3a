using System.Buffers;
using System.Net;
using System.Text;
using CsCheck;
using Posthouse.Wire;

namespace Posthouse.Tests.Wire;

public class ReplyTests
{
    private static ReplyParseStatus Parse(string text, out SmtpReply? reply) => new ReplyParser().Parse(Encoding.UTF8.GetBytes(text), out _, out reply);

    [Fact]
    public void Formats_each_line_with_its_enhanced_code() =>
        Assert.Equal("550-5.1.1 No\r\n550 5.1.1 such?user é\r\n", Encoding.UTF8.GetString(ReplyFormat.ToBytes(new(550, new(5, 1, 1), "No\nsuch\ruser é"))));

    [Theory]
    [InlineData("250 ok\r\n", "250 ok")]
    [InlineData("250\r\n", "250 ")]
    [InlineData("250 2.1.0 ok\n", "250 2.1.0 ok")]
    [InlineData("250-2.1.0 a\r\n250 2.1.0 b\r\n", "250 2.1.0 a\nb")]
    [InlineData("550 2.1.0 odd\r\n", "550 2.1.0 odd")]
    [InlineData("450 4.7.1\r\n", "450 4.7.1 ")]
    [InlineData("250 a\tb\u0001\r\n", "250 a?b?")]
    public void Reads(string text, string expected)
    {
        Assert.Equal(ReplyParseStatus.Complete, Parse(text, out SmtpReply? reply));
        Assert.Equal(expected, reply!.ToString());
    }

    [Theory]
    [InlineData("25\r\n")]
    [InlineData("\r\n")]
    [InlineData("-\n-\n")]
    [InlineData("abc hello\r\n")]
    [InlineData("250-a\r\n251 b\r\n")]
    [InlineData("250_a\r\n")]
    [InlineData("199 a\r\n")]
    [InlineData("600 a\r\n")]
    public void Refuses(string text) => Assert.Equal(ReplyParseStatus.Malformed, Parse(text, out _));

    [Fact]
    public void Cve_2020_8794_a_short_last_line_of_a_long_reply_is_no_reply_and_text_has_no_line_of_its_own()
    {
        Assert.Equal(ReplyParseStatus.Malformed, Parse("553-\r\n553\n\r\n"[..7] + "\n", out _));
        Assert.Equal(ReplyParseStatus.Complete, Parse("553-a\rtype: mda\r\n553\r\n", out SmtpReply? reply));
        Assert.Equal("a?type: mda\n", reply!.Text);
    }

    [Fact]
    public void Endless_lines_and_replies_are_refused()
    {
        Assert.Equal(ReplyParseStatus.Malformed, Parse("250 " + new string('a', 5000), out _));
        Assert.Equal(ReplyParseStatus.Malformed, Parse(string.Concat(Enumerable.Repeat("250-a\r\n", 300)), out _));
    }

    [Fact]
    public void Replies_cut_anywhere_read_the_same()
    {
        byte[] all = "250-2.0.0 one\r\n250-2.0.0 two\r\n250 2.0.0 three\r\n354 go\r\n"u8.ToArray();
        Gen.Int[0, all.Length].Array[0, 6].Sample(cuts =>
        {
            ReplyParser parser = new();
            List<string> replies = [];
            int from = 0;
            foreach (int cut in cuts.Order().Append(all.Length))
            {
                ReadOnlySpan<byte> block = all.AsSpan(from..cut);
                from = cut;
                while (!block.IsEmpty)
                {
                    ReplyParseStatus status = parser.Parse(block, out int consumed, out SmtpReply? reply);
                    Assert.NotEqual(ReplyParseStatus.Malformed, status);
                    block = block[consumed..];
                    if (reply != null)
                        replies.Add(reply.ToString());
                }
            }
            Assert.Equal(["250 2.0.0 one\ntwo\nthree", "354 go"], replies);
        }, iter: 500);
    }

    [Fact]
    public void Capabilities()
    {
        EhloCapabilities found = EhloCapabilities.Read(new(250, "mx Hello\nPIPELINING\nSIZE 1000\nauth plain Login\nsmtputf8\n8BITMIME\nDSN\nSTARTTLS\nCHUNKING\n\nX-OTHER 1"));
        Assert.True(found is { Pipelining: true, Size: true, MaxSize: 1000, SmtpUtf8: true, EightBitMime: true, Dsn: true, StartTls: true, Chunking: true, RequireTls: false });
        Assert.Equal(["PLAIN", "LOGIN"], found.AuthMechanisms);
        Assert.False(EhloCapabilities.Read(new(250, "PIPELINING")).Pipelining);
    }

    [Fact]
    public void Stuffed_content_scans_to_itself()
    {
        Gen.Select(Gen.Char["a.\r\n"].Array[0, 40], Gen.Int[0, 40].Array[0, 5]).Sample((chars, cuts) =>
        {
            byte[] content = Encoding.ASCII.GetBytes(new string(chars).Replace("\r", "", StringComparison.Ordinal).Replace("\n", "\r\n", StringComparison.Ordinal));
            ArrayBufferWriter<byte> output = new();
            DotStuffer stuffer = default;
            int from = 0;
            foreach (int cut in cuts.Select(cut => Math.Min(cut, content.Length)).Order().Append(content.Length))
            {
                stuffer.Write(content.AsSpan(from..cut), output);
                from = cut;
            }
            stuffer.Finish(output);
            byte[] sent = output.WrittenSpan.ToArray();
            DataScanner scanner = default;
            int length = scanner.Scan(sent, out int consumed);
            byte[] expected = content.Length == 0 || content.AsSpan().EndsWith("\r\n"u8) ? content : [.. content, .. "\r\n"u8];
            Assert.True(scanner.IsComplete);
            Assert.Equal(sent.Length, consumed);
            Assert.Equal(expected, sent[..length]);
        }, iter: 5000);
    }

    [Theory]
    [InlineData("PROXY TCP4 192.0.2.1 192.0.2.2 1000 25\r\nEHLO", "192.0.2.1:1000", 40)]
    [InlineData("PROXY TCP6 2001:db8::1 ::1 1 65535\r\n", "[2001:db8::1]:1", 36)]
    [InlineData("PROXY UNKNOWN\r\n", null, 15)]
    public void Proxy_version_1(string text, string? source, int length)
    {
        Assert.Equal(ProxyParseStatus.Complete, ProxyHeader.Parse(Encoding.ASCII.GetBytes(text), out ProxyHeader header, out int consumed));
        Assert.Equal(source, header.Source?.ToString());
        Assert.Equal(length, consumed);
    }

    [Theory]
    [InlineData("PROXY TCP4 192.0.2.1 192.0.2.2 1000 25", ProxyParseStatus.Incomplete)]
    [InlineData("PRO", ProxyParseStatus.Incomplete)]
    [InlineData("PROXY TCP4 192.0.2.1 192.0.2.2 1000 99999\r\n", ProxyParseStatus.Malformed)]
    [InlineData("PROXY TCP4 ::1 ::1 1 1\r\n", ProxyParseStatus.Malformed)]
    [InlineData("PROXY TCP4  192.0.2.1 192.0.2.2 1 1\r\n", ProxyParseStatus.Malformed)]
    [InlineData("PROXY\r\n", ProxyParseStatus.Malformed)]
    [InlineData("EHLO a\r\n", ProxyParseStatus.Malformed)]
    public void Proxy_version_1_refused(string text, ProxyParseStatus status) =>
        Assert.Equal(status, ProxyHeader.Parse(Encoding.ASCII.GetBytes(text), out _, out _));

    [Fact]
    public void Proxy_version_2()
    {
        byte[] header =
        [
            .. "\r\n\r\n\0\r\nQUIT\n"u8, 0x21, 0x11, 0, 15, 192, 0, 2, 1, 192, 0, 2, 2, 0x10, 0, 0, 25, 4, 0, 0, // and a TLV
            .. "EHLO"u8,
        ];
        for (int i = 0; i < 31; i++)
            Assert.Equal(ProxyParseStatus.Incomplete, ProxyHeader.Parse(header.AsSpan(0, i), out _, out _));
        Assert.Equal(ProxyParseStatus.Complete, ProxyHeader.Parse(header, out ProxyHeader read, out int consumed));
        Assert.Equal(31, consumed);
        Assert.Equal(new IPEndPoint(IPAddress.Parse("192.0.2.1"), 4096), read.Source);
        Assert.Equal(new IPEndPoint(IPAddress.Parse("192.0.2.2"), 25), read.Destination);
        header[12] = 0x20;
        Assert.Equal(ProxyParseStatus.Complete, ProxyHeader.ParseVersion2(header, out read, out _));
        Assert.Null(read.Source);
        header[15] = 5;
        header[12] = 0x21;
        Assert.Equal(ProxyParseStatus.Malformed, ProxyHeader.ParseVersion2(header, out _, out _));
        header[12] = 0x11;
        Assert.Equal(ProxyParseStatus.Malformed, ProxyHeader.ParseVersion2(header, out _, out _));
    }
}

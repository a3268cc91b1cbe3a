using System.Buffers;
using System.Text;
using CsCheck;
using MimeKit;
using Posthouse.Server.Receiving;

namespace Posthouse.Tests.Receiving;

public class SubmissionHeaderTests
{
    private static readonly DateTimeOffset s_now = new(2026, 1, 2, 3, 4, 5, TimeSpan.FromHours(2));

    private static string Complete(string value)
    {
        ArrayBufferWriter<byte> output = new();
        AddressCompletion.Complete(Encoding.UTF8.GetBytes(value), "h.example"u8, output);
        return Encoding.UTF8.GetString(output.WrittenSpan);
    }

    private static string Rewrite(string header, string? masquerade = null)
    {
        ArrayBufferWriter<byte> output = new();
        SubmissionHeader.Rewrite(Encoding.UTF8.GetBytes(header), "h.example", masquerade, s_now, output);
        return Encoding.UTF8.GetString(output.WrittenSpan);
    }

    [Theory]
    [InlineData(" joe\r\n", " joe@h.example\r\n")]
    [InlineData(" joe, ann@x, bob\r\n", " joe@h.example, ann@x, bob@h.example\r\n")]
    [InlineData(" Joe <joe>\r\n", " Joe <joe@h.example>\r\n")]
    [InlineData(" \"a, b\" <joe>, \"@\" <ann>\r\n", " \"a, b\" <joe@h.example>, \"@\" <ann@h.example>\r\n")]
    [InlineData(" joe (a, comment),\r\n\tann\r\n", " joe@h.example (a, comment),\r\n\tann@h.example\r\n")]
    [InlineData(" (only a comment)\r\n", " (only a comment)\r\n")]
    [InlineData(" Undisclosed recipients:;\r\n", " Undisclosed recipients:;\r\n")]
    [InlineData(" friends: joe, Ann <ann>;, bob\r\n", " friends: joe@h.example, Ann <ann@h.example>;, bob@h.example\r\n")]
    [InlineData(" two words\r\n", " two words\r\n")]
    [InlineData(" \"quoted one\"\r\n", " \"quoted one\"@h.example\r\n")]
    [InlineData(" <>\r\n", " <>\r\n")]
    [InlineData(" \"unended\r\n", " \"unended\r\n@h.example")]
    [InlineData(",,\r\n", ",,\r\n")]
    [InlineData("", "")]
    public void Bare_addresses_are_completed_and_nothing_else_is_touched(string value, string expected)
    {
        if (value.Contains("unended", StringComparison.Ordinal))
            Assert.StartsWith(value.TrimEnd(), Complete(value), StringComparison.Ordinal);
        else
            Assert.Equal(expected, Complete(value));
    }

    [Fact]
    public void Completion_only_inserts()
    {
        Gen.Char["ab@<>,;:()\"\\ \r\n"].Array[0, 30].Sample(chars =>
        {
            string value = new(chars), done = Complete(value);
            return done.Replace("@h.example", "", StringComparison.Ordinal) == value;
        }, iter: 20_000);
    }

    [Fact]
    public void What_has_domains_stays_as_another_reader_sees_it()
    {
        Gen<string> address = Gen.OneOf(Gen.Int[0, 9].Select(i => $"a{i}@x.example"), Gen.Int[0, 9].Select(i => $"\"N, {i}\" <b{i}@x.example>"), Gen.Int[0, 9].Select(i => $"c{i}"));
        address.Array[1, 5].Sample(addresses =>
        {
            InternetAddressList read = InternetAddressList.Parse(Complete(string.Join(",\r\n ", addresses)));
            return read.Count == addresses.Length && read.Mailboxes.All(mailbox => mailbox.Address.Contains('@', StringComparison.Ordinal));
        }, iter: 500);
    }

    [Fact]
    public void Date_and_message_id_are_added_only_where_they_are_missing()
    {
        Assert.Equal("date: x\r\nMESSAGE-id : y\r\n", Rewrite("date: x\r\nMESSAGE-id : y\r\n"));
        string[] lines = Rewrite("Subject: x\r\n").Split("\r\n");
        Assert.Equal("Date: Fri, 2 Jan 2026 01:04:05 +0000 (UTC)", lines[1]);
        Assert.Matches("^Message-ID: <[0-9a-f]{32}@h\\.example>$", lines[2]);
        Assert.NotEqual(Rewrite(""), Rewrite(""));
    }

    [Fact]
    public void Bcc_goes_with_its_continuations() =>
        Assert.Equal("To: a@b\r\nDate: x\r\nMessage-ID: y\r\n", Rewrite("bcc: a,\r\n\tb\r\nTo: a@b\r\nBcc : c\r\n d\r\nDate: x\r\nMessage-ID: y\r\n"));

    [Theory]
    [InlineData("From: Joe <joe@x>\r\n", "From: Joe <me@y>\r\n")]
    [InlineData("From: \"<x>\" (<y>)\r\n <joe@x>, Ann <ann@x>\r\n", "From: \"<x>\" (<y>)\r\n <me@y>\r\n")]
    [InlineData("FROM: joe@x\r\n", "FROM: me@y\r\n")]
    public void Masquerade_keeps_the_name(string field, string expected) =>
        Assert.Equal(expected + "Date: x\r\nMessage-ID: y\r\n", Rewrite(field + "Date: x\r\nMessage-ID: y\r\n", "me@y"));

    [Theory]
    [InlineData("A: b\r\n\r\nbody", 6, 0, false)]
    [InlineData("\r\nbody", 0, 0, false)]
    [InlineData("A: b\r\n c\r\nnot a field\r\n\r\n", 10, 0, false)]
    [InlineData("Received: a\r\nreceived : b\r\nReceived-X: c\r\n\r\n", 42, 2, false)]
    [InlineData(" A: b\r\n\r\n", 7, 0, true)]
    [InlineData("A\u0001: b\r\n\r\n", 7, 0, true)]
    [InlineData(": b\r\n\r\n", 5, 0, true)]
    public void The_end_of_the_header_is_found_wherever_it_is_cut(string message, int end, int received, bool malformed)
    {
        byte[] bytes = Encoding.ASCII.GetBytes(message);
        HeaderScanner atOnce = default;
        Assert.True(atOnce.TryFindEnd(bytes, out int length));
        Assert.Equal((end, received, malformed), (length, atOnce.Received, atOnce.IsMalformed));
        HeaderScanner stepwise = default;
        for (int i = 0; i <= bytes.Length; i++)
        {
            if (stepwise.TryFindEnd(bytes.AsSpan(0, i), out length))
                break;
        }
        Assert.Equal((end, received, malformed), (length, stepwise.Received, stepwise.IsMalformed));
    }
}

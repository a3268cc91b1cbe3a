using System.Text;
using CsCheck;
using MimeKit;
using Posthouse.Commands.Submission;

namespace Posthouse.Tests.Commands;

public sealed class DraftTests
{
    [Fact]
    public void A_message_gets_smtps_line_ends_and_dots()
    {
        Assert.Equal("Subject: x\r\n\r\none\r\n..two\r\n..\r\n", Sent("Subject: x\n\none\n.two\n.\n"));
        Assert.Equal("Subject: x\r\n\r\none\r\n", Sent("Subject: x\r\n\r\none"));
        Assert.Equal("Subject: x\r\n\r\n", Sent("Subject: x\n"));
    }

    [Fact]
    public void Text_without_a_header_is_a_body() =>
        Assert.Equal("\r\nHello: world is what I say\r\n"[..2] + "Hello world\r\nnot: a header\r\n", Sent("Hello world\nnot: a header\n"));

    [Fact]
    public void A_line_that_is_no_field_ends_the_header() =>
        Assert.Equal("Subject: x\r\n\r\nno field\r\nTo: nobody\r\n", Sent("Subject: x\nno field\nTo: nobody\n"));

    [Fact]
    public void The_mbox_line_before_a_header_is_left_out() =>
        Assert.Equal("Subject: x\r\n\r\nb\r\n", Sent("From someone Mon Jan 1\nSubject: x\n\nb\n"));

    [Fact]
    public void Folded_fields_stay_folded_and_are_read_unfolded()
    {
        using Draft draft = Read("To: a@b.org,\n\tc@d.org\nBcc: secret@e.org\n\nb\n");
        Assert.Equal(["a@b.org", "c@d.org", "secret@e.org"], draft.Header.Recipients);
        draft.Header.Remove("bcc");
        Assert.Equal("To: a@b.org,\r\n\tc@d.org\r\n\r\nb\r\n", Bytes(draft));
    }

    [Theory]
    [InlineData("x", 2000)]
    [InlineData("é", 600)]
    public void A_line_too_long_makes_the_body_quoted_printable(string character, int count)
    {
        string line = string.Concat(Enumerable.Repeat(character, count));
        using Draft draft = Read($"Subject: x\n\nshort\n{line} \n.dot\nFrom here\n\tend= \n");
        Assert.True(draft.NeedsEncoding);
        draft.EncodeIfNeeded();
        string sent = Bytes(draft);
        Assert.All(sent.Split("\r\n"), static text => Assert.True(text.Length <= 76));
        Assert.DoesNotContain("\r\n.", sent);
        MimeMessage message = MimeMessage.Load(new MemoryStream(Encoding.Latin1.GetBytes(sent)), TestContext.Current.CancellationToken);
        Assert.Equal($"short\n{line} \n.dot\nFrom here\n\tend= \n", message.TextBody!.ReplaceLineEndings("\n"));
    }

    [Fact]
    public void A_body_that_says_how_it_is_encoded_is_left_alone()
    {
        string line = new('A', 2000);
        using Draft draft = Read($"Content-Transfer-Encoding: base64\n\n{line}\n");
        draft.EncodeIfNeeded();
        Assert.Equal($"Content-Transfer-Encoding: base64\r\n\r\n{line}\r\n", Bytes(draft));
    }

    [Fact]
    public void A_bare_carriage_return_is_encoded_because_the_server_refuses_it()
    {
        using Draft draft = Read("Subject: x\n\na\rb\n");
        draft.EncodeIfNeeded();
        Assert.EndsWith("\r\n\r\na=0Db\r\n", Bytes(draft));
    }

    [Fact]
    public void Quoted_printable_keeps_every_body() =>
        Gen.Byte.Array[0, 400].Sample(static body =>
        {
            using MemoryStream output = new();
            QuotedPrintable encoder = new(output);
            int half = body.Length / 2;
            encoder.Write(body.AsSpan(0, half));
            encoder.Write(body.AsSpan(half));
            encoder.Finish();
            string text = Encoding.Latin1.GetString(body).Replace("\r\n", "\n", StringComparison.Ordinal);
            if (text.Length > 0 && !text.EndsWith('\n'))
                text += "\n";
            using MemoryStream decoded = new();
            new MimeContent(new MemoryStream(output.ToArray()), ContentEncoding.QuotedPrintable).DecodeTo(decoded, TestContext.Current.CancellationToken);
            Assert.Equal(text, Encoding.Latin1.GetString(decoded.ToArray()).Replace("\r\n", "\n", StringComparison.Ordinal));
        });

    [Fact]
    public void At_a_terminal_a_dot_ends_the_message()
    {
        using Draft draft = Draft.Read(new MemoryStream("Subject: x\n\nb\n.\nnot sent\n"u8.ToArray()), dotEnds: true);
        Assert.Equal("Subject: x\r\n\r\nb\r\n", Bytes(draft));
    }

    private static Draft Read(string text) => Draft.Read(new MemoryStream(Encoding.UTF8.GetBytes(text)), dotEnds: false);

    private static string Sent(string text)
    {
        using Draft draft = Read(text);
        return Bytes(draft);
    }

    private static string Bytes(Draft draft)
    {
        using MemoryStream output = new();
        draft.SendTo(output);
        return Encoding.Latin1.GetString(output.ToArray());
    }
}

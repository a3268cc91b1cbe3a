using System.Text;
using CsCheck;
using Posthouse.Wire;

namespace Posthouse.Tests.Wire;

public class CommandTests
{
    [Theory]
    [InlineData("ehlo  a.example ", SmtpVerb.Ehlo, "a.example")]
    [InlineData("QUIT", SmtpVerb.Quit, "")]
    [InlineData("StartTLS", SmtpVerb.StartTls, "")]
    [InlineData("bdat 12 last", SmtpVerb.Bdat, "12 last")]
    [InlineData("XYZZY a", SmtpVerb.Unknown, "a")]
    [InlineData("", SmtpVerb.Unknown, "")]
    [InlineData("HEL\u001f", null, null)]
    [InlineData("NOOP \0", null, null)]
    [InlineData("NOOP a\rb", null, null)]
    [InlineData("NOOP a\nb", null, null)]
    [InlineData("DATA now", null, null)]
    [InlineData("@@@@", SmtpVerb.Unknown, "")]
    public void Lines(string line, SmtpVerb? verb, string? argument)
    {
        bool read = SmtpCommand.TryParse(Encoding.UTF8.GetBytes(line), out SmtpCommand command, out SmtpReply? error);
        Assert.Equal(verb != null, read);
        if (!read)
        {
            Assert.True(error!.Code is 500 or 501);
            return;
        }
        Assert.Equal(verb, command.Verb);
        Assert.Equal(argument, Encoding.UTF8.GetString(command.Argument));
    }

    [Fact]
    public void Every_verb_is_known_in_any_case()
    {
        foreach (SmtpVerb verb in Enum.GetValues<SmtpVerb>().Where(verb => verb != SmtpVerb.Unknown))
        {
            foreach (string word in new[] { verb.ToString().ToUpperInvariant(), verb.ToString().ToLowerInvariant(), verb.ToString() })
            {
                Assert.True(SmtpCommand.TryParse(Encoding.ASCII.GetBytes(word), out SmtpCommand command, out _));
                Assert.Equal(verb, command.Verb);
            }
        }
    }

    [Fact]
    public void Mail_with_everything()
    {
        Assert.True(MailCommand.TryParse("from:  <joe@example.org> SIZE=1000 body=8bitmime SMTPUTF8 RET=hdrs ENVID=a+2Bb AUTH=<>"u8, out MailCommand mail, out _));
        Assert.Equal("joe@example.org", mail.Sender!.ToString());
        Assert.Equal((1000, BodyKind.EightBit, true, DsnReturn.Headers, "a+b"), (mail.Size, mail.Body, mail.SmtpUtf8, mail.Return, mail.EnvelopeIdentifier));
        Assert.True(mail.HasDsn);
    }

    [Theory]
    [InlineData("FROM:<>", 0)]
    [InlineData("FROM:<joe>", 0)]
    [InlineData("FROM:<a@b> SIZE=99999999999999999999", 0)]
    [InlineData("TO:<a@b>", 501)]
    [InlineData("FROM <a@b>", 501)]
    [InlineData("", 501)]
    [InlineData("FROM:a@b", 553)]
    [InlineData("FROM:<a@b", 553)]
    [InlineData("FROM:<a@b>SIZE=1", 501)]
    [InlineData("FROM:<a@b> SIZE", 501)]
    [InlineData("FROM:<a@b> SIZE=", 501)]
    [InlineData("FROM:<a@b> SIZE=-1", 501)]
    [InlineData("FROM:<a@b> SIZE=1 SIZE=1", 501)]
    [InlineData("FROM:<a@b> SIZE=999999999999999999999", 501)]
    [InlineData("FROM:<a@b> BODY=BINARYMIME", 501)]
    [InlineData("FROM:<a@b> SMTPUTF8=1", 501)]
    [InlineData("FROM:<a@b> RET=ALL", 501)]
    [InlineData("FROM:<a@b> ENVID=a+zz", 501)]
    [InlineData("FROM:<a@b> ENVID=a+0Ab", 501)]
    [InlineData("FROM:<a@b> NOTIFY=NEVER", 555)]
    [InlineData("FROM:<a@b> XYZZY", 555)]
    [InlineData("FROM:<a@b> =1", 501)]
    [InlineData("FROM:<jörg@b>", 550)]
    [InlineData("FROM:<jörg@b> SMTPUTF8", 0)]
    public void Mail(string argument, int code)
    {
        bool read = MailCommand.TryParse(Encoding.UTF8.GetBytes(argument), out _, out SmtpReply? error);
        Assert.Equal(code == 0, read);
        Assert.Equal(code, error?.Code ?? 0);
    }

    [Theory]
    [InlineData("TO:<joe@b>", 0, DsnNotify.Unspecified, null)]
    [InlineData("to: <Postmaster>", 0, DsnNotify.Unspecified, null)]
    [InlineData("TO:<a@b> NOTIFY=NEVER", 0, DsnNotify.Never, null)]
    [InlineData("TO:<a@b> NOTIFY=success,Delay ORCPT=rfc822;a+2Bb@c", 0, DsnNotify.Success | DsnNotify.Delay, "rfc822;a+b@c")]
    [InlineData("TO:<a@b> NOTIFY=NEVER,DELAY", 501, default(DsnNotify), null)]
    [InlineData("TO:<a@b> NOTIFY=DELAY,DELAY", 501, default(DsnNotify), null)]
    [InlineData("TO:<a@b> NOTIFY=", 501, default(DsnNotify), null)]
    [InlineData("TO:<a@b> NOTIFY=FAILURE,", 501, default(DsnNotify), null)]
    [InlineData("TO:<a@b> ORCPT=rfc822;", 501, default(DsnNotify), null)]
    [InlineData("TO:<a@b> ORCPT=a@b", 501, default(DsnNotify), null)]
    [InlineData("TO:<a@b> ORCPT=rfc822;a+0Ab", 501, default(DsnNotify), null)]
    [InlineData("TO:<a@b> SIZE=1", 555, default(DsnNotify), null)]
    [InlineData("TO:<>", 553, default(DsnNotify), null)]
    [InlineData("FROM:<a@b>", 501, default(DsnNotify), null)]
    public void Rcpt(string argument, int code, DsnNotify notify, string? original)
    {
        RcptCommand.TryParse(Encoding.UTF8.GetBytes(argument), out RcptCommand rcpt, out SmtpReply? error);
        Assert.Equal(code, error?.Code ?? 0);
        if (code == 0)
            Assert.Equal((notify, original), (rcpt.Notify, rcpt.OriginalRecipient));
    }

    [Theory]
    [InlineData("0 LAST", true, 0, true)]
    [InlineData("123", true, 123, false)]
    [InlineData("", false, 0, false)]
    [InlineData("-1", false, 0, false)]
    [InlineData("1 LAST x", false, 0, false)]
    [InlineData("99999999999999999999", false, 0, false)]
    [InlineData("1x", false, 0, false)]
    public void Bdat(string argument, bool valid, long length, bool last)
    {
        Assert.Equal(valid, BdatCommand.TryParse(Encoding.UTF8.GetBytes(argument), out BdatCommand command, out _));
        Assert.Equal(new BdatCommand(length, last), command);
    }

    [Fact]
    public void Any_bytes_are_read_or_refused_without_harm()
    {
        Gen.Byte.Array[0, 60].Sample(bytes =>
        {
            if (SmtpCommand.TryParse(bytes, out SmtpCommand command, out SmtpReply? error) == (error != null))
                return false;
            _ = command.Verb;
            return MailCommand.TryParse([.. "FROM:<"u8, .. bytes], out _, out error) == (error == null)
                && RcptCommand.TryParse([.. "TO:<a@b> "u8, .. bytes], out _, out error) == (error == null)
                && BdatCommand.TryParse(bytes, out _, out error) == (error == null);
        }, iter: 20_000);
    }

    [Fact]
    public void Xtext_round_trip()
    {
        Assert.Equal("a+2Bb+3D+20c", Xtext.Encode("a+b= c"));
        Gen.String[Gen.Char[' ', '~'], 0, 40].Sample(text => Xtext.TryDecode(Encoding.ASCII.GetBytes(Xtext.Encode(text)), out string? back) && back == text, iter: 5000);
    }

    [Theory]
    [InlineData("\0joe\0secret", "joe", "secret")]
    [InlineData("joe\0joe\0s p", "joe", "s p")]
    [InlineData("root\0joe\0secret", null, null)]
    [InlineData("joe\0secret", null, null)]
    [InlineData("\0joe\0secret\0more", null, null)]
    [InlineData("\0\0secret", null, null)]
    [InlineData("\0joe\nx\0secret", null, null)]
    [InlineData("\0joe\0sec\rret", null, null)]
    public void Plain(string text, string? user, string? password)
    {
        string base64 = Convert.ToBase64String(Encoding.UTF8.GetBytes(text));
        Assert.Equal(user != null, SaslPlain.TryDecode(Encoding.ASCII.GetBytes(base64), out string readUser, out string readPassword));
        Assert.Equal((user ?? "", password ?? ""), (readUser, readPassword));
    }

    [Fact]
    public void Plain_refuses_what_is_no_base64()
    {
        Assert.False(SaslPlain.TryDecode("*"u8, out _, out _));
        Assert.False(SaslPlain.TryDecode(new byte[5000], out _, out _));
        Assert.False(SaslPlain.TryDecodeLogin("am9\nl"u8, out _));
        Assert.True(SaslPlain.TryDecodeLogin("am9l"u8, out string joe));
        Assert.Equal("joe", joe);
    }
}

using System.Text;
using CsCheck;
using Posthouse.Wire;

namespace Posthouse.Tests.Wire;

public class MailboxTests
{
    [Theory]
    [InlineData("joe@example.org", "joe", "example.org")]
    [InlineData("joe", "joe", "")]
    [InlineData("\"joe\"@example.org", "joe", "example.org")]
    [InlineData("\"j o\\\"e@x\"@example.org", "j o\"e@x", "example.org")]
    [InlineData("a.b+c=d!#$%&'*/?^_`{|}~-@x", "a.b+c=d!#$%&'*/?^_`{|}~-", "x")]
    [InlineData("joe@[192.0.2.1]", "joe", "[192.0.2.1]")]
    [InlineData("joe@[IPv6:2001:db8::1]", "joe", "[IPv6:2001:db8::1]")]
    [InlineData("jörg@bücher.example", "jörg", "bücher.example")]
    [InlineData("joe@under_score.example", "joe", "under_score.example")]
    public void Reads(string text, string local, string domain)
    {
        Assert.True(Mailbox.TryParse(text, out Mailbox? mailbox));
        Assert.Equal((local, domain), (mailbox!.LocalPart, mailbox.Domain));
        Assert.Equal(domain.Length != 0, mailbox.IsQualified);
        Assert.True(Mailbox.TryParse(mailbox.ToString(), out Mailbox? again));
        Assert.Equal(mailbox, again);
    }

    [Theory]
    [InlineData("")]
    [InlineData("@example.org")]
    [InlineData("joe@")]
    [InlineData(".joe@example.org")]
    [InlineData("joe.@example.org")]
    [InlineData("jo..e@example.org")]
    [InlineData("jo e@example.org")]
    [InlineData("joe@exa mple.org")]
    [InlineData("joe@example..org")]
    [InlineData("joe@.example.org")]
    [InlineData("joe@example.org.")]
    [InlineData("\"\"@example.org")]
    [InlineData("\"joe@example.org")]
    [InlineData("\"joe\"x@example.org")]
    [InlineData("joe@a@b")]
    [InlineData("joe@[192.0.2]")]
    [InlineData("joe@[192.0.2.256]")]
    [InlineData("joe@[192.0.2.01]")]
    [InlineData("joe@[IPv6:fe80::1%eth0]")]
    [InlineData("joe@[x-tag:what]")]
    [InlineData("joe\u0085@example.org")]
    [InlineData("joe\r\n@example.org")]
    [InlineData("\"joe\n\"@example.org")]
    [InlineData("(joe)@example.org")]
    public void Refuses(string text) => Assert.False(Mailbox.TryParse(text, out _));

    [Fact]
    public void Utf8_that_is_malformed_is_refused()
    {
        Assert.False(Mailbox.TryParse([.. "jo"u8, 0xC3, .. "@example.org"u8], out _));
        Assert.False(Mailbox.TryParse([.. "\"jo"u8, 0xFF, .. "\"@example.org"u8], out _));
        Assert.False(Mailbox.TryParse([.. "jo@ex"u8, 0xC0, 0xAF], out _));
    }

    [Fact]
    public void Cve_2020_7247_shell_characters_without_a_domain_are_refused()
    {
        Assert.False(MailPath.TryParse("<;sleep 66;>"u8, out _, out _));
        Assert.False(MailPath.TryParse("<;for i in 0 1 2;do read r;done;sh;exit 0;>"u8, out _, out _));
    }

    [Fact]
    public void A_path_is_at_most_256_octets()
    {
        string domain = string.Join('.', Enumerable.Repeat(new string('d', 49), 4));
        byte[] fits = Encoding.ASCII.GetBytes($"<{new string('a', 254 - 1 - domain.Length)}@{domain}>");
        Assert.Equal(256, fits.Length);
        Assert.True(MailPath.TryParse(fits, out _, out int length));
        Assert.Equal(256, length);
        Assert.False(MailPath.TryParse([(byte)'<', (byte)'a', .. fits.AsSpan(1)], out _, out _));
    }

    [Theory]
    [InlineData("<>", null)]
    [InlineData("<joe@example.org> SIZE=1", "joe@example.org")]
    [InlineData("<@a.example,@[IPv6:::1]:joe@example.org>", "joe@example.org")]
    [InlineData("<\"a>b\"@example.org>", "\"a>b\"@example.org")]
    public void Reads_paths(string text, string? address)
    {
        Assert.True(MailPath.TryParse(Encoding.UTF8.GetBytes(text), out Mailbox? mailbox, out int length));
        Assert.Equal(address, mailbox?.ToString());
        Assert.Equal('>', text[length - 1]);
    }

    [Theory]
    [InlineData("joe@example.org")]
    [InlineData("<joe@example.org")]
    [InlineData("<@a.example>")]
    [InlineData("<@a.example,b@c:joe@example.org>")]
    [InlineData("<@:joe@example.org>")]
    [InlineData("< >")]
    public void Refuses_paths(string text) => Assert.False(MailPath.TryParse(Encoding.UTF8.GetBytes(text), out _, out _));

    [Fact]
    public void Whatever_is_read_is_written_so_that_it_is_read_again()
    {
        Gen.Char["ab.@\"\\ <>é[]1:,\r\n\0"].Array[0, 12].Sample(chars =>
        {
            string text = new(chars);
            if (!Mailbox.TryParse(text, out Mailbox? mailbox))
                return true;
            string written = mailbox!.ToString();
            return Mailbox.TryParse(written, out Mailbox? again) && again == mailbox && !written.AsSpan().ContainsAny('\r', '\n', '\0')
                && MailPath.TryParse(Encoding.UTF8.GetBytes($"<{written}> "), out Mailbox? inPath, out _) && inPath == mailbox;
        }, iter: 20_000);
    }

    [Theory]
    [InlineData("mail.example.org", true)]
    [InlineData("mail.example.org.", true)]
    [InlineData("a_b", true)]
    [InlineData("192.0.2.1", true)]
    [InlineData("[192.0.2.1]", true)]
    [InlineData("[IPv6:::1]", true)]
    [InlineData("", false)]
    [InlineData(".", false)]
    [InlineData("a b", false)]
    [InlineData("a;b", false)]
    [InlineData("[::1]", false)]
    [InlineData("bücher", false)]
    public void Greeting_names(string name, bool valid) => Assert.Equal(valid, HostName.IsValidGreeting(Encoding.UTF8.GetBytes(name)));

    [Fact]
    public void Errata_of_2019_an_overlong_greeting_name_is_refused()
    {
        string label = new('a', 60);
        Assert.False(HostName.IsValidGreeting(Encoding.ASCII.GetBytes(string.Join('.', label, label, label, label, label))));
        Assert.False(HostName.IsValidGreeting(Encoding.ASCII.GetBytes(new string('a', 64))));
    }
}

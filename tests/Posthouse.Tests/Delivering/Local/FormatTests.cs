using Posthouse.Server.Delivering.Local;

namespace Posthouse.Tests.Delivering.Local;

public class FormatTests
{
    private static readonly FormatValues s_values = new("Bob+x@Example.org", "rcpt@example.com", "dest.user+tag@example.net", "user", "/home/user", '+');

    private static string? Expand(string text, FormatValues? values = null)
    {
        string? error = null;
        string? result = FormatTemplate.Parse(text, out error)?.ExpandPath(values ?? s_values, out error);
        Assert.Equal(result is null, error is not null);
        return result;
    }

    [Theory]
    [InlineData("~/Maildir", "/home/user/Maildir")]
    [InlineData("Maildir", "/home/user/Maildir")]
    [InlineData("/m/%{user.username}", "/m/user")]
    [InlineData("%{user.directory}/x", "/home/user/x")]
    [InlineData("/%{sender}", "/Bob+x@Example.org")]
    [InlineData("/%{SENDER.User}/%{sender.domain}", "/Bob+x/Example.org")]
    [InlineData("/%{rcpt}/%{rcpt.user}/%{rcpt.domain}", "/rcpt@example.com/rcpt/example.com")]
    [InlineData("/%{dest.user:strip}", "/dest.user")]
    [InlineData("/%{dest:strip}", "/dest.user@example.net")]
    [InlineData("/%{sender:lowercase|strip}", "/bob@example.org")]
    [InlineData("/%{sender.domain:uppercase}", "/EXAMPLE.ORG")]
    [InlineData("/%{sender.domain[0:-4]}", "/Example")]
    [InlineData("/%{dest.domain[0]}/%{dest.domain[1]}/%{dest.domain}", "/e/x/example.net")]
    [InlineData("/%{dest.domain[-3:]}", "/net")]
    [InlineData("/%{dest.domain[:2]}", "/exa")]
    [InlineData("/%{dest.domain[0:999]}", "/example.net")]
    [InlineData("/%{sender[0:2]:lowercase}", "/bob")]
    [InlineData("/%%{sender}", "/%{sender}")]
    [InlineData("/100%/x", "/100%/x")]
    [InlineData("/%{mbox.from}", "/Bob+x@Example.org")]
    public void Specifiers_expand(string text, string expected) => Assert.Equal(expected, Expand(text));

    [Theory]
    [InlineData("/%{unknown}")]
    [InlineData("/%{sender")]
    [InlineData("/%{sender[}")]
    [InlineData("/%{sender[]}")]
    [InlineData("/%{sender[x]}")]
    [InlineData("/%{sender[99]}")]
    [InlineData("/%{sender[99:]}")]
    [InlineData("/%{sender[5:2]}")]
    [InlineData("/%{sender:loud}")]
    [InlineData("/%{sender}/../%{dest.user[0:0]}")]
    [InlineData("/%{mda}")]
    public void What_means_nothing_is_an_error(string text) => Assert.Null(Expand(text));

    [Fact]
    public void The_null_sender_is_empty_and_the_mailer_daemon_in_an_mbox()
    {
        FormatValues values = s_values with { Sender = "" };
        Assert.Equal("/x/MAILER-DAEMON", Expand("/x%{sender}/%{mbox.from}", values));
    }

    [Fact]
    public void What_a_shell_could_mistake_is_replaced_unless_raw()
    {
        FormatValues values = s_values with { Sender = "!#$%&'*?`{|}~=_@x.org" };
        Assert.Equal("/:::::::::::::=_@x.org", Expand("/%{sender}", values));
        Assert.Equal("/!#$%&'*?`{|}~=_@x.org", Expand("/%{sender:raw}", values));
    }

    [Theory]
    [InlineData("a/b@x.org")]
    [InlineData("a\nb@x.org")]
    [InlineData("a\0b@x.org")]
    public void Slashes_and_control_characters_are_in_no_path(string sender) => Assert.Null(Expand("/m/%{sender:raw}", s_values with { Sender = sender }));

    [Fact]
    public void A_result_is_bounded()
    {
        Assert.NotNull(Expand("/" + new string('a', 1022)));
        Assert.Null(Expand("/" + new string('a', 1023)));
        Assert.Null(Expand("/%{sender.user}%{sender.user}", s_values with { Sender = new string('a', 600) + "@x.org" }));
    }
}

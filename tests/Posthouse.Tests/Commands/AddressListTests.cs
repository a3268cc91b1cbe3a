using CsCheck;
using Posthouse.Commands.Submission;

namespace Posthouse.Tests.Commands;

public sealed class AddressListTests
{
    [Theory]
    [InlineData("a@b.org", "a@b.org")]
    [InlineData("A B <a@b.org>, c@d.org", "a@b.org c@d.org")]
    [InlineData("\"Doe, J. <x>\" <a@b.org>", "a@b.org")]
    [InlineData("a@b.org (comment, with (nested) comma), root", "a@b.org root")]
    [InlineData("friends: a@b.org, C <c@d.org>;, e@f.org", "a@b.org c@d.org e@f.org")]
    [InlineData("undisclosed-recipients:;", "")]
    [InlineData("<@relay.org,@other.org:a@b.org>", "a@b.org")]
    [InlineData("\"odd local\"@b.org", "\"odd local\"@b.org")]
    [InlineData("a @ b . org", "a@b.org")]
    [InlineData(", ,,", "")]
    [InlineData("<>", "")]
    [InlineData("\"unterminated", "\"unterminated")]
    public void Addresses_are_found_among_names_comments_and_groups(string value, string expected) =>
        Assert.Equal(expected, string.Join(' ', AddressList.Parse(value)));

    [Fact]
    public void Any_text_is_read_without_an_exception() =>
        Gen.Char["<>\"\\():;,@ .ab\t"].Array[0, 40].Select(static characters => new string(characters))
            .Sample(static text => AddressList.Parse(text).All(static address => address.Length > 0));
}

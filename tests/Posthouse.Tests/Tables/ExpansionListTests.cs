using Posthouse.Server.Tables;

namespace Posthouse.Tests.Tables;

public sealed class ExpansionListTests
{
    private static string Show(string text) =>
        ExpansionList.TryParse(text, out IReadOnlyList<ExpansionElement> elements, out string error)
            ? string.Join(" ; ", elements.Select(element => $"{element.Kind} {element.Text}"))
            : $"error {error}";

    [Theory]
    [InlineData("joe, jane+tag , ", "User joe ; User jane+tag")]
    [InlineData(@"\joe", "User joe")]
    [InlineData("joe@example.org", "Address joe@example.org")]
    [InlineData("\"joe bloggs\"@example.org", "Address \"joe bloggs\"@example.org")]
    [InlineData("\"a, b\"@example.org,c", "Address \"a, b\"@example.org ; User c")]
    [InlineData("|/bin/cat", "Command /bin/cat")]
    [InlineData("\"|/bin/cat -n, -x\", joe", "Command /bin/cat -n, -x ; User joe")]
    [InlineData("|/bin/sh -c 'a, b'", "Command /bin/sh -c 'a, b'")]
    [InlineData("\"|prog \\\"x y\\\"\"", "Command prog \"x y\"")]
    [InlineData("/var/mail/archive", "File /var/mail/archive")]
    [InlineData("\"/var/mail/my archive\"", "File /var/mail/my archive")]
    [InlineData(":include:/etc/list", "Include /etc/list")]
    [InlineData("include:/etc/list", "Include /etc/list")]
    [InlineData(":error:550 no such list", "Error 550 no such list")]
    [InlineData("error:450 4.2.1 later", "Error 450 4.2.1 later")]
    [InlineData("", "")]
    public void Reads(string text, string expected) => Assert.Equal(expected, Show(text));

    [Theory]
    [InlineData("|")]
    [InlineData("\"|\"")]
    [InlineData("\"joe")]
    [InlineData("|echo 'x")]
    [InlineData("joe\\")]
    [InlineData(":include:list")]
    [InlineData(":error:250 fine")]
    [InlineData(":error:550")]
    [InlineData("two words")]
    [InlineData("joe@")]
    [InlineData("joe@exa mple.org")]
    [InlineData("|cat\rrm")]
    public void Refuses(string text) => Assert.StartsWith("error ", Show(text));

    [Fact]
    public void Files_have_lines_and_comments()
    {
        Assert.True(ExpansionList.TryParseFile("# me\n\n  \\joe,\n|/bin/cat # not a comment\r\n", out IReadOnlyList<ExpansionElement> elements, out _));
        Assert.Equal([new(ExpansionKind.User, "joe"), new(ExpansionKind.Command, "/bin/cat # not a comment")], elements);
        Assert.False(ExpansionList.TryParseFile("joe\nbad name\n", out _, out string error));
        Assert.StartsWith("line 2: ", error);
    }
}

using System.Text;
using Posthouse.Server.Tables;

namespace Posthouse.Tests.Tables;

public sealed class TableFileTests
{
    private static TableFile Parse(string text) => TableFile.Parse(Encoding.UTF8.GetBytes(text), "/t");

    [Fact]
    public void Mapping_splits_at_the_first_separator()
    {
        TableFile file = Parse("# comment\n\n  root:\tjoe, jane  \r\nPostmaster root\na : b\n[::1]: host\n[::2] host:2\nx @y:z\n");
        Assert.Equal(TableKind.Mapping, file.Kind);
        Assert.Equal(
            [new("root", "joe, jane", 3), new("Postmaster", "root", 4), new("a", "b", 5), new("[::1]", "host", 6), new("[::2]", "host:2", 7), new("x", "@y:z", 8)],
            file.Entries);
    }

    [Fact]
    public void First_data_line_without_separator_makes_a_list()
    {
        TableFile file = Parse("example.org\n*.example.net\nwith space: here\n");
        Assert.Equal(TableKind.List, file.Kind);
        Assert.Equal(["example.org", "*.example.net", "with space: here"], file.Entries.Select(e => e.Key));
        Assert.All(file.Entries, e => Assert.Null(e.Value));
    }

    [Fact]
    public void List_comment_before_data_forces_a_list()
    {
        Assert.Equal(["::1", "fe80::/10"], Parse("#  @list\n::1\nfe80::/10").Entries.Select(e => e.Key));
        Assert.Equal(TableKind.Mapping, Parse("a b\n# @list\nc d").Kind);
    }

    [Fact]
    public void A_bracketed_key_alone_makes_a_list() => Assert.Equal(TableKind.List, Parse("[2001:db8::1]\n").Kind);

    [Fact]
    public void An_empty_file_is_an_empty_mapping()
    {
        TableFile file = Parse("# nothing\n");
        Assert.Equal(TableKind.Mapping, file.Kind);
        Assert.Empty(file.Entries);
        Assert.Empty(file.Errors);
    }

    [Fact]
    public void One_malformed_line_refuses_the_whole_file()
    {
        TableFile file = Parse("a b\n  lonely\n: x\nc\u0001 d\n");
        Assert.Empty(file.Entries);
        Assert.Equal(
            ["/t:2:9: expected a value after the key, found \"lonely\"", "/t:3:1: expected a key before the separator, found \": x\"", "/t:4:2: expected text without control bytes, found \"\\x01\""],
            file.Errors.Select(e => e.ToString()));
    }

    [Fact]
    public void Bytes_that_are_not_utf8_are_an_error_in_data_only()
    {
        Assert.Empty(TableFile.Parse("# \xe9\na b"u8, "/t").Errors);
        byte[] latin = [(byte)'#', 0xe9, (byte)'\n', (byte)'a', (byte)' ', 0xe9, (byte)'\n'];
        Assert.Equal("/t:2:3: expected UTF-8, found \"\\xe9\"", Assert.Single(TableFile.Parse(latin, "/t").Errors).ToString());
    }

    [Fact]
    public void A_missing_file_is_an_error() => Assert.StartsWith("/nonexistent/t: cannot be read: ", Assert.Single(TableFile.Read("/nonexistent/t").Errors).ToString());
}

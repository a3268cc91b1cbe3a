using CsCheck;
using Posthouse.Server.Processes;

namespace Posthouse.Tests.Processes;

public class PlugCommandLineTests
{
    [Theory]
    [InlineData("filter", "filter")]
    [InlineData("  /usr/bin/filter -x\t-y  ", "/usr/bin/filter|-x|-y")]
    [InlineData("filter 'a b' \"c d\" e\\ f", "filter|a b|c d|e f")]
    [InlineData("filter a'b'\"c\"", "filter|abc")]
    [InlineData("filter '' \"\"", "filter||")]
    [InlineData("filter '$HOME;\"\\'", "filter|$HOME;\"\\")]
    [InlineData("filter \"\\\"\\\\\\$\\a;|\"", "filter|\"\\$\\a;|")]
    [InlineData("filter \\$HOME \\'", "filter|$HOME|'")]
    [InlineData("filter --level=5 user@example.org a~ b#", "filter|--level=5|user@example.org|a~|b#")]
    [InlineData("/opt/a=b/filter", "/opt/a=b/filter")]
    [InlineData("5=5", "5=5")]
    [InlineData("filter \\", "filter|\\")]
    public void A_plain_command_is_split_into_its_words(string command, string words)
    {
        PlugCommandLine line = PlugCommandLine.Parse(command, out string? failure)!;
        Assert.Null(failure);
        Assert.False(line.IsShell);
        Assert.Equal(words.Split('|', command.Contains(";|") ? 2 : 99), line.Arguments);
    }

    [Theory]
    [InlineData("filter $HOME")]
    [InlineData("filter \"$HOME\"")]
    [InlineData("filter \"`id`\"")]
    [InlineData("filter | tee /tmp/x")]
    [InlineData("filter; other")]
    [InlineData("filter && other")]
    [InlineData("filter < /dev/null")]
    [InlineData("filter 2>/dev/null")]
    [InlineData("filter *.conf")]
    [InlineData("filter a?")]
    [InlineData("filter [ab]")]
    [InlineData("filter {a,b}")]
    [InlineData("filter ~/x")]
    [InlineData("filter # a remark")]
    [InlineData("filter\nother")]
    [InlineData("(filter)")]
    public void What_only_a_shell_understands_is_left_to_one_that_the_program_replaces(string command)
    {
        PlugCommandLine line = PlugCommandLine.Parse(command, out _)!;
        Assert.True(line.IsShell);
        Assert.Equal(["/bin/sh", "-c", "exec " + command], line.Arguments);
    }

    [Fact]
    public void Variables_in_front_of_the_program_are_set_for_it() =>
        Assert.Equal(["/bin/sh", "-c", "exec env LEVEL_2='a b' filter x"], PlugCommandLine.Parse(" LEVEL_2='a b' filter x", out _)!.Arguments);

    [Theory]
    [InlineData("", "the command is empty")]
    [InlineData(" \t ", "the command is empty")]
    [InlineData("filter 'a", "a quote in the command is not closed")]
    [InlineData("filter \"a", "a quote in the command is not closed")]
    [InlineData("'' a", "the command names no program")]
    [InlineData("filter\0", "the command has a NUL")]
    public void What_is_no_command_is_refused(string command, string why)
    {
        Assert.Null(PlugCommandLine.Parse(command, out string? failure));
        Assert.Equal(why, failure);
    }

    [Fact]
    public void Every_word_can_be_quoted() => Gen.Char[' ', '~'].Array[1, 12].Select(static characters => new string(characters)).Array[1, 5].Sample(static words =>
    {
        string single = string.Join(' ', words.Select(static word => $"'{word.Replace("'", "'\\''")}'"));
        string escaped = string.Join("  ", words.Select(static word => string.Concat(word.Select(static each => $"\\{each}"))));
        Assert.Equal(words, PlugCommandLine.Parse(single, out _)!.Arguments);
        Assert.Equal(words, PlugCommandLine.Parse(escaped, out _)!.Arguments);
    });
}

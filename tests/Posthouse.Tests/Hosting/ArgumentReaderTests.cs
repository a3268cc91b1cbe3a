using Posthouse.Commands;

namespace Posthouse.Tests.Hosting;

public class ArgumentReaderTests
{
    [Theory]
    [InlineData("-f a -v rest -x", "-f=a -v", "rest -x")]
    [InlineData("-fa -nv", "-f=a -n -v", "")]
    [InlineData("-vfa b", "-v -f=a", "b")]
    [InlineData("--state=/x --json show queue", "--state=/x --json", "show queue")]
    [InlineData("--state /x -- -v", "--state=/x", "-v")]
    [InlineData("--state=", "--state=", "")]
    [InlineData("- -v", "", "- -v")]
    [InlineData("-f", "-f=(none)", "")]
    public void Options_are_read_as_getopt_does(string line, string options, string rest)
    {
        ArgumentReader reader = new(line.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        List<string> found = [];
        while (reader.NextOption() is { } option)
            found.Add(option is "-f" or "--state" ? $"{option}={reader.Value() ?? "(none)"}" : option);
        Assert.Equal(options, string.Join(' ', found));
        Assert.Equal(rest, string.Join(' ', reader.Rest));
    }
}

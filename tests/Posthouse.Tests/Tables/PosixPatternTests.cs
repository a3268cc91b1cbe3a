using Posthouse.Plugs;
using Posthouse.Server.Tables;

namespace Posthouse.Tests.Tables;

public sealed class PosixPatternTests
{
    private static bool IsMatch(string expression, string subject)
    {
        TableContent content = new(TableKind.List, [new(expression)]);
        Assert.Empty(content.Problems(TableService.Regex));
        return content.Check(TableService.Regex, subject).IsFound;
    }

    [Theory]
    [InlineData("spam", "a-spam-b", true)]
    [InlineData("^spam$", "a-spam", false)]
    [InlineData("^(foo|bar)@", "bar@x.org", true)]
    [InlineData("(?i)^FOO", "foo", true)]
    [InlineData("^[A-Z]+$", "abc", true)]
    [InlineData(@"\.example\.org$", "mx.example.org", true)]
    [InlineData(@"\.example\.org$", "mxXexample.org", false)]
    [InlineData("[[:digit:]]{2,3}", "a12", true)]
    [InlineData("^[[:alpha:]_]+$", "a_b", true)]
    [InlineData("[]x]", "]", true)]
    [InlineData("[^]x]", "]", false)]
    [InlineData(@"[\d]", "5", false)]
    [InlineData(@"[\d]", "\\", true)]
    [InlineData("[a-]", "-", true)]
    [InlineData("[[.-.]]", "-", true)]
    [InlineData("^a+?$", "", true)]
    [InlineData("^(ab)*$", "abab", true)]
    [InlineData("^a{,2}$", "a{,2}", true)]
    [InlineData("^a{2}$", "aa", true)]
    [InlineData("a||b", "c", true)]
    [InlineData("x$", "x\n", false)]
    [InlineData("^a.b$", "a\nb", true)]
    [InlineData(@"\<word\>", "a word b", true)]
    [InlineData("[[:<:]]word[[:>:]]", "swords", false)]
    [InlineData("a)b", "a)b", true)]
    [InlineData("#{}", "#{}", true)]
    [InlineData("é", "É", true)]
    public void Means_what_posix_says(string expression, string subject, bool expected) => Assert.Equal(expected, IsMatch(expression, subject));

    [Theory]
    [InlineData("*.example.org")]
    [InlineData("(")]
    [InlineData("[a")]
    [InlineData("[b-a]")]
    [InlineData("[[:nope:]]")]
    [InlineData("a{3,2}")]
    [InlineData("a{256}")]
    [InlineData("a{1")]
    [InlineData("a\\")]
    [InlineData(@"(a)\1")]
    [InlineData("((a{200}){200}){200}")]
    public void Refuses_what_is_malformed_or_too_large(string expression)
    {
        Assert.False(PosixPattern.TryTranslate(expression, out _, out string error));
        Assert.NotEmpty(error);
    }

    [Fact]
    public void Nothing_makes_it_slow()
    {
        TableContent content = new(TableKind.List, [new("^(a+)+$"), new("(a|a)*b")]);
        long start = TimeProvider.System.GetTimestamp();
        Assert.False(content.Check(TableService.Regex, new string('a', 5000) + "c").IsFound);
        Assert.True(TimeProvider.System.GetElapsedTime(start) < TimeSpan.FromSeconds(20));
    }

    [Fact]
    public void CVE_2020_35679_a_lookup_leaves_nothing_behind()
    {
        TableContent content = new(TableKind.List, [new("^never$"), new("^x@[a-z]+\\.org$")]);
        string subject = "x@example.org";
        for (int i = 0; i < 100; i++)
            Assert.True(content.Check(TableService.Regex, subject).IsFound);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 1000; i++)
            content.Check(TableService.Regex, subject);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1000);
    }
}

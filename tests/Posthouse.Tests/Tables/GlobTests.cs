using System.Text.RegularExpressions;
using CsCheck;
using Posthouse.Server.Tables;

namespace Posthouse.Tests.Tables;

public sealed class GlobTests
{
    [Theory]
    [InlineData("*.b.org", "x.y.b.org", true)]
    [InlineData("*.b.org", "b.org", false)]
    [InlineData("*b.org", "b.org", true)]
    [InlineData("*", "", true)]
    [InlineData("", "", true)]
    [InlineData("", "a", false)]
    [InlineData("MX*.Example.*", "mx1.example.NET", true)]
    [InlineData("a*b*c", "aXbYbc", true)]
    [InlineData("a*b*c", "aXbYbcd", false)]
    [InlineData("a?c", "abc", false)]
    public void Matches(string pattern, string text, bool expected) => Assert.Equal(expected, Glob.IsMatch(pattern, text));

    [Fact]
    public void Agrees_with_a_regular_expression() =>
        Gen.Select(Gen.String[Gen.Char["abA*."], 0, 8], Gen.String[Gen.Char["abAB."], 0, 10]).Sample((pattern, text) =>
        {
            string expression = "^" + Regex.Escape(pattern).Replace("\\*", ".*", StringComparison.Ordinal) + "\\z";
            return Glob.IsMatch(pattern, text) == Regex.IsMatch(text, expression, RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.Singleline);
        });

    [Fact]
    public void Many_stars_stay_bounded()
    {
        string pattern = string.Concat(Enumerable.Repeat("*a", 100)) + "b", text = new('a', 10_000);
        long start = TimeProvider.System.GetTimestamp();
        Assert.False(Glob.IsMatch(pattern, text));
        Assert.True(TimeProvider.System.GetElapsedTime(start) < TimeSpan.FromSeconds(20));
    }
}

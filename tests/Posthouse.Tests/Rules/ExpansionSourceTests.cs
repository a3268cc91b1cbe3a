using CsCheck;
using Posthouse.Server.Rules;

namespace Posthouse.Tests.Rules;

public sealed class ExpansionSourceTests
{
    [Theory]
    [InlineData("alias:root:0")]
    [InlineData("alias:@[IPv6:::1]:12")]
    [InlineData("alias:list:3.14")]
    [InlineData("forward:joe:2")]
    public void Reads_what_it_writes(string text)
    {
        Assert.True(ExpansionSource.TryParse(text, out ExpansionSource source));
        Assert.Equal(text, source.ToString());
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("alias")]
    [InlineData("alias:root")]
    [InlineData("alias::0")]
    [InlineData("alias:root:")]
    [InlineData("alias:root:-1")]
    [InlineData("alias:root:1.2.3")]
    [InlineData("command:/bin/sh:0")]
    [InlineData("alias:root:99999999999")]
    public void Refuses(string? text) => Assert.False(ExpansionSource.TryParse(text, out _));

    [Fact]
    public void Any_key_survives() =>
        Gen.Select(Gen.Bool, Gen.String[1, 20], Gen.Int[0, int.MaxValue], Gen.Int[-1, 100]).Sample((forward, key, index, included) =>
        {
            ExpansionSource source = new(forward, key, index, included);
            return ExpansionSource.TryParse(source.ToString(), out ExpansionSource read) && read == source;
        });
}

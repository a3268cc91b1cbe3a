using System.Text;
using System.Text.Json;
using Posthouse.Plugs;
using Posthouse.Server.Configuration;
using Posthouse.Tests.Configuration;
using Posthouse.Wire;

namespace Posthouse.Tests.Fuzzing;

/// <summary>What fuzzing found, each thing by its name.</summary>
public class FoundByFuzzingTests
{
    private const string Least = """{"id":"0000000a00000001","kind":"mda","action":"a","sender":"","recipient":"","destination":"","size":0,"created":0,"expires":0}""";

    [Theory]
    [InlineData("FROM:<> SIZE=0 SIZE=5")]
    [InlineData("FROM:<> SIZE=0 SIZE=0")]
    public void Size_of_zero_counts_as_given(string argument) =>
        Assert.False(MailCommand.TryParse(Encoding.ASCII.GetBytes(argument), out _, out _));

    [Theory]
    [InlineData("+C2+85")]
    [InlineData("+C2+9B31m")]
    [InlineData("+E2+80+A8")]
    [InlineData("+7F")]
    [InlineData("+0A")]
    public void Xtext_cannot_bring_in_control_characters_of_unicode(string text) =>
        Assert.False(Xtext.TryDecode(Encoding.ASCII.GetBytes(text), out _));

    [Theory]
    [InlineData("joe\u0085x")]
    [InlineData("joe\u009bx")]
    public void A_user_name_has_no_control_characters_of_unicode(string user) =>
        Assert.False(SaslPlain.TryDecode(Encoding.ASCII.GetBytes(Convert.ToBase64String(Encoding.UTF8.GetBytes($"\0{user}\0secret"))), out _, out _));

    [Fact]
    public void A_server_cannot_steer_the_terminal_by_its_reply()
    {
        var parser = new ReplyParser();
        Assert.Equal(ReplyParseStatus.Complete, parser.Parse("550 a\u009b31mb\u2028c\u0085d\r\n"u8, out _, out SmtpReply? reply));
        Assert.Equal("a?31mb?c?d", reply!.Text);
    }

    [Theory]
    [InlineData(199)]
    [InlineData(200)]
    [InlineData(1000)]
    public void Warnings_however_many_do_not_hide_the_rest_of_a_configuration(int count)
    {
        string warnings = "table t { a = b\n" + string.Concat(Enumerable.Repeat("c\n", count)) + "}\n";
        ConfigurationResult result = new FakeEnvironment().Parse(warnings + "match from any reject\n");
        Assert.Single(result.Configuration!.Rules);
        Assert.All(result.Diagnostics, each => Assert.False(each.IsError));
        Assert.InRange(result.Diagnostics.Count, Math.Min(count, 200), 201);
        Assert.Contains(new FakeEnvironment().Parse(warnings).Diagnostics, each => each.Message.StartsWith("no rules", StringComparison.Ordinal));
        Assert.False(new FakeEnvironment().Parse(warnings + "match from any frobnicate\n").IsValid);
    }

    [Theory]
    [InlineData("filter c chain { }\nmatch from any reject\n")]
    [InlineData("filter c chain {\n,\n}\nmatch from any reject\n")]
    [InlineData("listen on lo filter { }\nmatch from any reject\n")]
    public void A_chain_of_no_filter_is_an_error(string text) =>
        Assert.StartsWith("unexpected \"}\": expected the name of a filter", Assert.Single(new FakeEnvironment().Parse(text).Diagnostics).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("2.0000.1")]
    [InlineData("2.1.0001")]
    public void An_enhanced_code_has_three_digits_a_part(string text) => Assert.False(EnhancedCode.TryParse(text, out _));

    [Theory]
    [InlineData("\"action\":\"a\"", "\"action\":null")]
    [InlineData("\"sender\":\"\"", "\"sender\":null")]
    [InlineData("\"kind\":\"mda\"", "\"kind\":7")]
    [InlineData("\"size\":0", "\"size\":-1")]
    [InlineData("\"expires\":0", "\"expires\":253402300800")]
    [InlineData("\"expires\":0", "\"expires\":0,\"nextTry\":9000000000000000000")]
    [InlineData("\"expires\":0", "\"expires\":0,\"dsn\":{\"notify\":[null]}")]
    [InlineData("\"expires\":0", "\"expires\":0,\"bounce\":{\"type\":\"failed\",\"of\":[null]}")]
    [InlineData("\"expires\":0", "\"expires\":0,\"bounce\":{\"type\":\"failed\",\"of\":null}")]
    public void An_envelope_that_would_break_its_reader_is_refused(string good, string bad)
    {
        Assert.NotNull(Envelope.Parse(Encoding.UTF8.GetBytes(Least)));
        Assert.Contains(good, Least, StringComparison.Ordinal);
        Assert.ThrowsAny<JsonException>(() => Envelope.Parse(Encoding.UTF8.GetBytes(Least.Replace(good, bad, StringComparison.Ordinal))));
    }
}

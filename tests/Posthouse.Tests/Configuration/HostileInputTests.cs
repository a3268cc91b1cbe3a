using System.Diagnostics;
using System.Text;
using CsCheck;
using Posthouse.Server.Configuration;

namespace Posthouse.Tests.Configuration;

/// <summary>Whatever the bytes: an answer, in bounded time, by the ordinary way.</summary>
public class HostileInputTests
{
    private static readonly string[] s_words =
    [
        "action", "match", "listen", "on", "socket", "lo", "table", "filter", "chain", "phase", "connect", "match", "proc", "proc-exec", "relay", "host", "mbox",
        "maildir", "for", "from", "any", "local", "domain", "regex", "rcpt-to", "tls", "pki", "cert", "key", "\"/k\"", "{", "}", "<", ">", "!", "=", "=>", ",", "$m", "$",
        "\n", "\n", "\n", "\\\n", "\"", "'", "#", "a", "b", "t", "25", "4h", "include", "\"/self\"", "queue", "encryption", "smtp", "limit", "max-mails", "mta", "srs",
        "bounce", "warn-interval", "resolver", "127.0.0.1", "file:/t", "scheduler", "reject", "auth", "tag", "junk", "user", "vmail", "alias", "virtual", "ttl",
    ];

    private static void Survives(string text)
    {
        var machine = new FakeEnvironment();
        machine.Files["/self"] = text;
        machine.Files["/t"] = "a: b\n";
        ConfigurationResult result = machine.Parse(text, new Dictionary<string, string> { ["m"] = "a { b" }, verbose: true);
        Assert.Equal(result.IsValid, !result.Diagnostics.Any(each => each.IsError));
        Assert.All(result.Diagnostics, each => Assert.DoesNotContain('\n', each.ToString()));
        if (result.Configuration is { } read)
            Assert.NotEmpty(read.Rules);
    }

    [Fact]
    public void Any_bytes_are_answered() => Gen.Byte.Array[0, 200].Sample(bytes => Survives(Encoding.UTF8.GetString(bytes)), iter: 1000);

    [Fact]
    public void Any_words_of_the_language_are_answered() =>
        Gen.OneOf([.. s_words.Select(word => Gen.Const(word))]).Array[0, 60].Sample(words => Survives(string.Join(' ', words)), iter: 2000);

    [Theory]
    [InlineData("{", 100_000)]
    [InlineData("match for domain { ", 20_000)]
    [InlineData("include \"/self\"\n", 3000)]
    [InlineData("table x {\n", 50_000)]
    [InlineData("\\\n", 500_000)]
    [InlineData("! ", 100_000)]
    [InlineData("\"", 99_999)]
    [InlineData("x = a\n", 50_000)]
    public void Repetition_does_no_harm(string text, int count)
    {
        var watch = Stopwatch.StartNew();
        Survives(string.Concat(Enumerable.Repeat(text, count)));
        Assert.InRange(watch.Elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(60));
    }

    [Fact]
    public void Macros_cannot_expand_without_end()
    {
        string text = $"x = \"{new string('a', 8000)}\"\n" + string.Concat(Enumerable.Repeat("$x\n", 10_000));
        Survives(text);
        text = $"x = \"# {new string('a', 8000)}\"\n" + string.Concat(Enumerable.Repeat("$x\n", 10_000)) + "match reject";
        Assert.Contains(new FakeEnvironment().Parse(text).Diagnostics, each => each.Message == "macros expand to too much text");
    }
}

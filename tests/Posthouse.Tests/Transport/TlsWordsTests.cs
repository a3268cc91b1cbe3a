using System.Net.Security;
using System.Security.Authentication;
using Posthouse.Server.Transport;

namespace Posthouse.Tests.Transport;

public sealed class TlsWordsTests
{
    [Theory]
    [InlineData("default", SslProtocols.Tls12 | SslProtocols.Tls13)]
    [InlineData("secure", SslProtocols.Tls12 | SslProtocols.Tls13)]
    [InlineData("TLSv1.2", SslProtocols.Tls12)]
    [InlineData("tlsv1.2,tlsv1.3", SslProtocols.Tls12 | SslProtocols.Tls13)]
    [InlineData("tlsv1.1:tlsv1.3", SslProtocols.Tls13)]
    [InlineData("!tlsv1.2", SslProtocols.Tls13)]
    [InlineData("all, !tlsv1.3", SslProtocols.Tls12)]
    public void Protocol_lists_are_those_of_libtls(string text, SslProtocols expected)
    {
        Assert.True(TlsProtocols.TryParse(text, out SslProtocols protocols, out _));
        Assert.Equal(expected, protocols);
    }

    [Theory]
    [InlineData("tlsv1.4", "unknown")]
    [InlineData("", "unknown")]
    [InlineData("tlsv1.0", "no usable")]
    [InlineData("tlsv1.2:!tlsv1.2", "no usable")]
    public void What_is_no_protocol_is_refused(string text, string expected)
    {
        Assert.False(TlsProtocols.TryParse(text, out _, out string? error));
        Assert.Contains(expected, error);
    }

    [Theory]
    [InlineData(TlsCipherSuite.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, "ECDHE-RSA-AES256-GCM-SHA384", 256)]
    [InlineData(TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, "ECDHE-ECDSA-CHACHA20-POLY1305", 256)]
    [InlineData(TlsCipherSuite.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256, "ECDHE-RSA-AES128-SHA256", 128)]
    [InlineData(TlsCipherSuite.TLS_DHE_RSA_WITH_AES_256_CBC_SHA, "DHE-RSA-AES256-SHA", 256)]
    [InlineData(TlsCipherSuite.TLS_RSA_WITH_AES_128_GCM_SHA256, "AES128-GCM-SHA256", 128)]
    [InlineData(TlsCipherSuite.TLS_ECDHE_ECDSA_WITH_AES_256_CCM_8, "ECDHE-ECDSA-AES256-CCM8", 256)]
    [InlineData(TlsCipherSuite.TLS_AES_128_GCM_SHA256, "TLS_AES_128_GCM_SHA256", 128)]
    public void Suites_have_OpenSSLs_names(TlsCipherSuite id, string name, int bits)
    {
        CipherSuite suite = CipherSuite.Of(id);
        Assert.Equal(name, suite.Name);
        Assert.Equal(bits, suite.Bits);
    }

    [Theory]
    [InlineData("HIGH:!aNULL:!MD5")]
    [InlineData("secure")]
    [InlineData("compat")]
    public void The_defaults_leave_the_choice_to_the_library(string text)
    {
        Assert.Null(CipherString.Parse(text, out IReadOnlyList<string> warnings));
        Assert.Empty(warnings);
    }

    [Fact]
    public void A_cipher_string_is_a_program_over_a_list()
    {
        Assert.Equal(
            ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256"],
            Names("ECDHE+AESGCM+AES128"));
        Assert.Equal(["AES256-SHA", "AES128-SHA"], Names("AES256-SHA:AES128-SHA"));
        Assert.Equal(["AES128-SHA", "AES256-SHA"], Names("AES256-SHA:AES128-SHA:+AES256"));
        Assert.Equal(["AES128-SHA"], Names("!AES256:AES256-SHA:AES128-SHA"));
        Assert.Equal(["AES128-SHA", "AES256-SHA"], Names("AES256-SHA:AES128-SHA:-AES256:AES256-SHA"));
        Assert.Equal(["AES256-SHA", "AES128-SHA"], Names("AES128-SHA:AES256-SHA:@STRENGTH"));
        Assert.DoesNotContain(Names("HIGH:!kRSA:!CHACHA20"), static name => name.StartsWith("AES", StringComparison.Ordinal) || name.Contains("CHACHA"));
    }

    [Fact]
    public void Suites_of_tls13_stay_unless_some_are_named()
    {
        Assert.Contains(TlsCipherSuite.TLS_CHACHA20_POLY1305_SHA256, CipherString.Parse("ECDHE", out _)!);
        IReadOnlyList<TlsCipherSuite> one = CipherString.Parse("TLS_AES_128_GCM_SHA256:ECDHE", out _)!;
        Assert.Equal(TlsCipherSuite.TLS_AES_128_GCM_SHA256, one[0]);
        Assert.DoesNotContain(TlsCipherSuite.TLS_AES_256_GCM_SHA384, one);
    }

    [Fact]
    public void Words_without_a_meaning_are_reported()
    {
        CipherString.Parse("HIGH:!aNULL:FANCY:@SECLEVEL=2", out IReadOnlyList<string> warnings);
        Assert.Equal(2, warnings.Count);
        Assert.Contains("FANCY", warnings[0]);
    }

    private static string[] Names(string text) =>
        [.. CipherString.Parse(text, out _)!.Select(CipherSuite.Of).Where(static suite => !suite.IsTls13).Select(static suite => suite.Name)];
}

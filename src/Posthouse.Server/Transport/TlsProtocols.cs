using System.Security.Authentication;

namespace Posthouse.Server.Transport;

/// <summary>
/// The protocol keywords of libtls (tls_config_parse_protocols): a list, separated by commas or colons, of
/// <c>tlsv1.2</c>, <c>tlsv1.3</c>, <c>all</c>, <c>default</c>, <c>secure</c>, each perhaps with <c>!</c> before it. TLS 1.0 and 1.1
/// may be named, but are never spoken (RFC 8996).
/// </summary>
public static class TlsProtocols
{
    private const SslProtocols All = SslProtocols.Tls12 | SslProtocols.Tls13;

    /// <summary>Reads such a list; false, with the reason in <paramref name="error"/>, when it names something unknown or leaves nothing.</summary>
    public static bool TryParse(string text, out SslProtocols protocols, out string? error)
    {
        protocols = SslProtocols.None;
        foreach (string word in text.Split([',', ':'], StringSplitOptions.TrimEntries))
        {
            bool negated = word.StartsWith('!');
            SslProtocols named;
            switch (word[(negated ? 1 : 0)..].Trim().ToLowerInvariant())
            {
                case "all" or "legacy" or "default" or "secure" or "tlsv1":
                    named = All;
                    break;
                case "tlsv1.3":
                    named = SslProtocols.Tls13;
                    break;
                case "tlsv1.2":
                    named = SslProtocols.Tls12;
                    break;
                case "tlsv1.0" or "tlsv1.1":
                    named = SslProtocols.None;
                    break;
                default:
                    error = $"unknown TLS protocol \"{word}\"";
                    return false;
            }
            if (negated && protocols == SslProtocols.None)
                protocols = All;
            protocols = negated ? protocols & ~named : protocols | named;
        }
        error = protocols == SslProtocols.None ? $"no usable TLS protocol in \"{text}\"" : null;
        return error is null;
    }
}

using System.Net.Security;

namespace Posthouse.Server.Transport;

/// <summary>A cipher suite under OpenSSL's name, with the properties by which cipher strings select it.</summary>
public sealed class CipherSuite
{
    private readonly string _exchange;
    private readonly string _authentication;
    private readonly string _mac;

    private CipherSuite(TlsCipherSuite id, string name, string exchange, string authentication, string cipher, string mac)
    {
        Id = id;
        Name = name;
        _exchange = exchange;
        _authentication = authentication;
        Cipher = cipher;
        _mac = mac;
        Bits = cipher.Contains("256", StringComparison.Ordinal) || cipher.StartsWith("CHACHA20", StringComparison.Ordinal) ? 256
            : cipher.Contains("128", StringComparison.Ordinal) ? 128
            : cipher.StartsWith("3DES", StringComparison.Ordinal) ? 112
            : 0;
    }

    /// <summary>Its number.</summary>
    public TlsCipherSuite Id { get; }

    /// <summary>OpenSSL's name, such as <c>ECDHE-RSA-AES256-GCM-SHA384</c>; that of TLS 1.3 suites is the standard's.</summary>
    public string Name { get; }

    /// <summary>Cipher and mode, such as <c>AES_256_GCM</c>.</summary>
    public string Cipher { get; }

    /// <summary>Strength in bits.</summary>
    public int Bits { get; }

    /// <summary>Whether it is of TLS 1.3.</summary>
    public bool IsTls13 => _exchange.Length == 0;

    /// <summary>All suites that a server with an RSA or ECDSA certificate can speak under TLS 1.2 and 1.3, the strongest first.</summary>
    public static IReadOnlyList<CipherSuite> All { get; } =
    [
        .. Enum.GetValues<TlsCipherSuite>()
            .Select(Of)
            .Where(static suite => suite.IsUsual)
            .OrderByDescending(static suite => suite.IsTls13)
            .ThenByDescending(static suite => suite._exchange.Contains("DHE", StringComparison.Ordinal))
            .ThenByDescending(static suite => suite._exchange == "ECDHE")
            .ThenByDescending(static suite => suite._mac == "AEAD")
            .ThenByDescending(static suite => suite.Bits),
    ];

    private bool IsUsual =>
        (IsTls13 || (_exchange is "ECDHE" or "DHE" or "RSA" && _authentication is "RSA" or "ECDSA"))
        && (Cipher.StartsWith("AES_", StringComparison.Ordinal) || Cipher.StartsWith("CHACHA20", StringComparison.Ordinal));

    /// <summary>Takes a suite's standard name apart: <c>TLS_exchange_authentication_WITH_cipher_mac</c>.</summary>
    public static CipherSuite Of(TlsCipherSuite id)
    {
        string standard = id.ToString();
        string[] halves = (standard.StartsWith("TLS_", StringComparison.Ordinal) ? standard[4..] : standard).Split("_WITH_");
        if (halves.Length == 1)
            return new CipherSuite(id, standard, "", "", halves[0][..Math.Max(halves[0].LastIndexOf('_'), 0)], "AEAD");

        string[] key = halves[0].Split('_');
        string exchange = key[0];
        string authentication = key[^1];
        int end = halves[1].LastIndexOf('_');
        string cipher = halves[1];
        string mac = "";
        if (end > 0 && (halves[1].AsSpan(end + 1).StartsWith("SHA") || halves[1].AsSpan(end + 1).StartsWith("MD5")))
        {
            cipher = halves[1][..end];
            mac = halves[1][(end + 1)..];
        }

        // OpenSSL's habits: AES256-GCM without an underscore inside, CBC not mentioned, RSA key exchange not mentioned,
        // the hash of ChaCha20 not mentioned.
        string shortCipher = cipher.Replace("AES_", "AES", StringComparison.Ordinal).Replace("_CBC", "", StringComparison.Ordinal).Replace("CCM_8", "CCM8", StringComparison.Ordinal).Replace('_', '-');
        string name = exchange == "RSA" ? shortCipher : $"{string.Join('-', key)}-{shortCipher}";
        bool isChaCha = cipher.StartsWith("CHACHA20", StringComparison.Ordinal);
        if (mac.Length > 0 && !isChaCha)
            name += $"-{mac}";
        bool isAead = isChaCha || cipher.Contains("GCM", StringComparison.Ordinal) || cipher.Contains("CCM", StringComparison.Ordinal);
        return new CipherSuite(id, name, exchange, authentication, cipher, isAead ? "AEAD" : mac);
    }

    /// <summary>
    /// Whether an OpenSSL keyword (ciphers(1)) selects it; null when nobody knows the keyword. What this server never
    /// speaks (anonymous, NULL, RC4, export, PSK, …) is known and selects nothing.
    /// </summary>
    public bool? Has(string keyword) => keyword switch
    {
        "ALL" or "DEFAULT" => true,
        "HIGH" => Bits >= 128,
        "kRSA" or "RSA" => _exchange == "RSA",
        "kECDHE" or "kEECDH" or "ECDHE" or "EECDH" => _exchange == "ECDHE",
        "kDHE" or "kEDH" or "DHE" or "EDH" or "DH" => _exchange == "DHE",
        "aRSA" => _authentication == "RSA",
        "aECDSA" or "ECDSA" => _authentication == "ECDSA",
        "AES128" => Cipher.StartsWith("AES_128", StringComparison.Ordinal),
        "AES256" => Cipher.StartsWith("AES_256", StringComparison.Ordinal),
        "AES" => Cipher.StartsWith("AES_", StringComparison.Ordinal),
        "AESGCM" => Cipher.EndsWith("GCM", StringComparison.Ordinal),
        "AESCCM" => Cipher.Contains("CCM", StringComparison.Ordinal),
        "AESCCM8" => Cipher.EndsWith("CCM_8", StringComparison.Ordinal),
        "CHACHA20" => Cipher.StartsWith("CHACHA20", StringComparison.Ordinal),
        "SHA1" or "SHA" => _mac == "SHA",
        "SHA256" => _mac == "SHA256",
        "SHA384" => _mac == "SHA384",
        "TLSv1.2" => _mac is "AEAD" or "SHA256" or "SHA384",
        "TLSv1" or "TLSv1.0" or "SSLv3" => _mac == "SHA",
        "MEDIUM" or "LOW" or "EXP" or "EXPORT" or "aNULL" or "eNULL" or "NULL" or "MD5" or "RC4" or "RC2" or "DES" or "3DES" or "IDEA"
            or "SEED" or "PSK" or "kPSK" or "aPSK" or "SRP" or "kSRP" or "aSRP" or "DSS" or "aDSS" or "ADH" or "AECDH" or "ECDH" or "kECDH"
            or "kECDHe" or "kECDHr" or "kDH" or "kDHr" or "kDHd" or "aECDH" or "aDH" or "CAMELLIA" or "CAMELLIA128" or "CAMELLIA256" or "ARIA"
            or "ARIA128" or "ARIA256" or "ARIAGCM" or "GOST" or "kGOST" or "aGOST" or "COMPLEMENTOFALL" or "COMPLEMENTOFDEFAULT" => false,
        _ => null,
    };
}

using System.Buffers;
using System.Text;

namespace Posthouse.Wire;

/// <summary>
/// An address of RFC 5321 section 4.1.2, with the extension of RFC 6531. The local part is held without quotes and
/// backslashes, so <c>"joe"@example.org</c> and <c>joe@example.org</c> are equal; <see cref="ToString"/> quotes again where it must.
/// The domain is held as it came: a name, an address literal with its brackets, or nothing.
/// </summary>
public sealed record Mailbox
{
    /// <summary>The longest path, angle brackets included, in octets (RFC 5321 section 4.5.3.1.3).</summary>
    public const int MaxPathLength = 256;

    // RFC 5322 atext. The local part has no limit of its own: the 64 octets of RFC 5321 section 4.5.3.1.1 are what everybody must be able
    // to take, and return paths of mailing lists are longer.
    private static readonly SearchValues<byte> s_atextAndDot =
        SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-/=?^_`{|}~."u8);

    private static readonly SearchValues<char> s_atextAndDotChars =
        SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-/=?^_`{|}~.");

    private Mailbox(string localPart, string domain, bool isInternational)
    {
        LocalPart = localPart;
        Domain = domain;
        IsInternational = isInternational;
    }

    /// <summary>What stands before the last <c>@</c>, without quotes; never empty. It may hold any printable character, <c>@</c> and spaces included.</summary>
    public string LocalPart { get; }

    /// <summary>A domain name, an address literal in brackets, or empty where none was given and the server's own is meant.</summary>
    public string Domain { get; }

    /// <summary>Whether there is a domain.</summary>
    public bool IsQualified => Domain.Length != 0;

    /// <summary>Whether it holds characters beyond ASCII, so that it needs SMTPUTF8 (RFC 6531).</summary>
    public bool IsInternational { get; }

    /// <summary>The same local part at another domain.</summary>
    /// <exception cref="ArgumentException">It is no domain.</exception>
    public Mailbox WithDomain(string domain)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(domain);
        if (!IsValidDomainPart(bytes))
            throw new ArgumentException("not a domain", nameof(domain));
        return new(LocalPart, domain, IsInternational || !Ascii.IsValid(domain));
    }

    /// <summary>Reads <c>local@domain</c> or <c>local</c>, without angle brackets.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out Mailbox? mailbox)
    {
        mailbox = null;
        if (text.Length > MaxPathLength - 2)
            return false;
        Span<byte> bytes = stackalloc byte[MaxPathLength * 3];
        return Encoding.UTF8.TryGetBytes(text, bytes, out int length) && TryParse(bytes[..length], out mailbox);
    }

    /// <summary>Reads <c>local@domain</c> or <c>local</c>, without angle brackets, in UTF-8.</summary>
    public static bool TryParse(ReadOnlySpan<byte> text, out Mailbox? mailbox)
    {
        mailbox = null;
        if (text.Length is 0 or > MaxPathLength - 2)
            return false;
        if (!TryReadLocalPart(text, out string? localPart, out int length))
            return false;
        ReadOnlySpan<byte> rest = text[length..];
        if (rest.IsEmpty)
        {
            mailbox = new(localPart!, "", !Ascii.IsValid(text));
            return true;
        }
        if (rest[0] != '@' || !IsValidDomainPart(rest[1..]))
            return false;
        mailbox = new(localPart!, Encoding.UTF8.GetString(rest[1..]), !Ascii.IsValid(text));
        return true;
    }

    /// <summary>The address as it is written in commands, the local part quoted where it is no dot-atom.</summary>
    public override string ToString()
    {
        string local = NeedsQuotes(LocalPart) ? Quote(LocalPart) : LocalPart;
        return IsQualified ? $"{local}@{Domain}" : local;
    }

    private static bool IsValidDomainPart(ReadOnlySpan<byte> domain) =>
        !domain.IsEmpty && (domain[0] == '[' ? HostName.TryParseLiteral(domain, out _) : HostName.IsValidDomain(domain));

    private static bool TryReadLocalPart(ReadOnlySpan<byte> text, out string? localPart, out int length)
    {
        if (text[0] == '"')
            return TryReadQuoted(text, out localPart, out length);

        localPart = null;
        int at = text.IndexOf((byte)'@');
        length = at < 0 ? text.Length : at;
        ReadOnlySpan<byte> atom = text[..length];
        if (atom.IsEmpty || atom[0] == '.' || atom[^1] == '.' || atom.IndexOf(".."u8) >= 0)
            return false;
        if (atom.ContainsAnyExcept(s_atextAndDot) && !IsInternationalText(atom, quoted: false))
            return false;
        localPart = Encoding.UTF8.GetString(atom);
        return true;
    }

    private static bool TryReadQuoted(ReadOnlySpan<byte> text, out string? localPart, out int length)
    {
        localPart = null;
        length = 0;
        Span<byte> plain = stackalloc byte[MaxPathLength];
        int count = 0;
        for (int i = 1; i < text.Length; i++)
        {
            byte b = text[i];
            if (b == '"')
            {
                length = i + 1;
                if (count == 0 || !IsInternationalText(plain[..count], quoted: true))
                    return false;
                localPart = Encoding.UTF8.GetString(plain[..count]);
                return true;
            }
            if (b == '\\' && (++i == text.Length || (b = text[i]) >= 0x80))
                return false;
            plain[count++] = b;
        }
        return false;
    }

    // ASCII by the rule of its place; beyond ASCII well-formed UTF-8 that is printable.
    private static bool IsInternationalText(ReadOnlySpan<byte> text, bool quoted)
    {
        while (!text.IsEmpty)
        {
            byte b = text[0];
            if (b < 0x80)
            {
                if (quoted ? b is < 32 or 127 : !s_atextAndDot.Contains(b))
                    return false;
                text = text[1..];
                continue;
            }
            if (Rune.DecodeFromUtf8(text, out Rune rune, out int length) != OperationStatus.Done
                || Rune.GetUnicodeCategory(rune) is System.Globalization.UnicodeCategory.Control or System.Globalization.UnicodeCategory.LineSeparator
                    or System.Globalization.UnicodeCategory.ParagraphSeparator or System.Globalization.UnicodeCategory.OtherNotAssigned)
                return false;
            text = text[length..];
        }
        return true;
    }

    private static bool NeedsQuotes(string local)
    {
        if (local[0] == '.' || local[^1] == '.' || local.Contains("..", StringComparison.Ordinal))
            return true;
        foreach (char c in local)
        {
            if (c < 0x80 && !s_atextAndDotChars.Contains(c))
                return true;
        }
        return false;
    }

    private static string Quote(string local) =>
        $"\"{local.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\"";
}

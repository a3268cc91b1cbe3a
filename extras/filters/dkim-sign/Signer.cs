using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using MimeKit;

namespace Posthouse.DkimSign;

/// <summary>Makes the signature fields of one message from its bytes as they are: nothing is parsed and written again.</summary>
internal static class Signer
{
    // Signed once more often than they stand in the message, so that none can be added without breaking the signature.
    private static readonly string[] s_oversigned =
    [
        "From", "Reply-To", "Subject", "Date", "To", "Cc", "Message-ID", "In-Reply-To", "References", "MIME-Version", "Content-Type", "Content-Transfer-Encoding",
    ];

    // Lists and forwarders add these, and may.
    private static readonly string[] s_signed = ["Sender", "List-Id", "List-Unsubscribe", "List-Unsubscribe-Post", "Autocrypt"];

    /// <summary>The DKIM-Signature fields, one for each key of the domain, with CRLF line ends; empty where the message is not to be signed.</summary>
    public static string Sign(Stream message, KeyTable keys, SignOptions options, string sender)
    {
        HeaderBlock header = HeaderBlock.Read(message);
        string? domain = options.UsesEnvelope ? DomainOf(sender) : FromDomain(header);
        if (domain is null || !header.Values("From").Any()) return "";
        IReadOnlyList<SigningKey> signing = keys.For(domain);
        if (signing.Count == 0) return "";
        string bodyHash = HashBody(header.Rest, message);
        StringBuilder fields = new();
        foreach (SigningKey key in signing) fields.Append(Sign(header, bodyHash, domain, key, options));
        return fields.ToString();
    }

    private static string Sign(HeaderBlock header, string bodyHash, string domain, SigningKey key, SignOptions options)
    {
        using MemoryStream canonical = new();
        List<string> names = [];
        foreach (string name in s_oversigned.Concat(s_signed).Concat(options.Headers).Distinct(StringComparer.OrdinalIgnoreCase))
        {
            foreach (ReadOnlyMemory<byte> value in header.Values(name))
            {
                HeaderBlock.Canonicalize(name, value.Span, canonical);
                canonical.Write("\r\n"u8);
                names.Add(name);
            }

            if (s_oversigned.Contains(name)) names.Add(name);
        }

        long now = DateTimeOffset.UtcNow.ToUnixTimeSeconds();
        StringBuilder field = new();
        field.Append(CultureInfo.InvariantCulture, $" v=1; a={key.Algorithm}; c=relaxed/relaxed;\r\n\td={domain}; s={key.Selector};\r\n\tt={now};");
        if (options.ExpireDays > 0) field.Append(CultureInfo.InvariantCulture, $" x={now + options.ExpireDays * 86400L};");
        field.Append("\r\n\th=");
        int column = 10;
        for (int i = 0; i < names.Count; i++)
        {
            if (column + names[i].Length > 74)
            {
                field.Append("\r\n\t");
                column = 8;
            }

            field.Append(names[i]).Append(i < names.Count - 1 ? ':' : ';');
            column += names[i].Length + 1;
        }

        field.Append(CultureInfo.InvariantCulture, $"\r\n\tbh={bodyHash};\r\n\tb=");
        HeaderBlock.Canonicalize("DKIM-Signature", Encoding.ASCII.GetBytes(field.ToString()), canonical);
        string signature = Convert.ToBase64String(key.Sign(SHA256.HashData(canonical.GetBuffer().AsSpan(0, (int)canonical.Length))));
        for (int i = 0; i < signature.Length; i += 68)
            field.Append(i == 0 ? "" : "\r\n\t").Append(signature.AsSpan(i, Math.Min(68, signature.Length - i)));
        return $"DKIM-Signature:{field}\r\n";
    }

    private static string HashBody(ReadOnlyMemory<byte> begin, Stream rest)
    {
        using RelaxedBodyHash hash = new();
        hash.Append(begin.Span);
        byte[] block = ArrayPool<byte>.Shared.Rent(32768);
        try
        {
            for (int count; (count = rest.Read(block)) > 0;) hash.Append(block.AsSpan(0, count));
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(block);
        }

        return Convert.ToBase64String(hash.Finish());
    }

    // A message with two From fields is a forger's: whoever reads it may see the other one.
    private static string? FromDomain(HeaderBlock header)
    {
        ReadOnlyMemory<byte>[] from = [.. header.Values("From")];
        return from.Length == 1 && InternetAddressList.TryParse(from[0].ToArray(), out InternetAddressList? list) && list.Mailboxes.FirstOrDefault() is { } mailbox
            ? DomainOf(mailbox.Address) : null;
    }

    private static string? DomainOf(string address)
    {
        int at = address.LastIndexOf('@');
        if (at < 0 || at == address.Length - 1) return null;
        try
        {
            string domain = new IdnMapping().GetAscii(address[(at + 1)..].TrimEnd('.')).ToLowerInvariant();
            return domain.All(static c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_' or '.') ? domain : null;
        }
        catch (ArgumentException)
        {
            return null;
        }
    }
}

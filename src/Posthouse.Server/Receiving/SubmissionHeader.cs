using System.Buffers;
using System.Security.Cryptography;
using System.Text;

namespace Posthouse.Server.Receiving;

/// <summary>
/// The header of a message at submission (RFC 6409 section 8): Bcc goes, bare addresses of From, To and Cc get a domain, From may be made to match
/// the sender, and Date and Message-ID are added where they are missing. Every other field passes byte for byte.
/// </summary>
internal static class SubmissionHeader
{
    /// <summary>Writes <paramref name="header"/>, which ends with a line end or is empty, without an empty line behind it.</summary>
    /// <param name="header">The fields as they came.</param>
    /// <param name="domain">What bare addresses and the Message-ID get.</param>
    /// <param name="masquerade">The address that From must show; null leaves it.</param>
    /// <param name="now">The date for a message without one.</param>
    /// <param name="output">Where the header goes.</param>
    internal static void Rewrite(ReadOnlySpan<byte> header, string domain, string? masquerade, DateTimeOffset now, IBufferWriter<byte> output)
    {
        byte[] domainBytes = Encoding.UTF8.GetBytes(domain);
        bool hasDate = false, hasMessageId = false;
        while (!header.IsEmpty)
        {
            ReadOnlySpan<byte> field = header[..FieldLength(header)];
            header = header[field.Length..];
            int colon = field.IndexOf((byte)':');
            ReadOnlySpan<byte> name = colon < 0 ? field : field[..colon].TrimEnd(" \t"u8);
            if (Ascii.EqualsIgnoreCase(name, "Bcc"u8))
                continue;
            hasDate |= Ascii.EqualsIgnoreCase(name, "Date"u8);
            hasMessageId |= Ascii.EqualsIgnoreCase(name, "Message-ID"u8);
            bool isFrom = Ascii.EqualsIgnoreCase(name, "From"u8);
            if (isFrom && masquerade != null)
                Masquerade(field, colon, masquerade, output);
            else if (isFrom || Ascii.EqualsIgnoreCase(name, "To"u8) || Ascii.EqualsIgnoreCase(name, "Cc"u8))
            {
                output.Write(field[..(colon + 1)]);
                AddressCompletion.Complete(field[(colon + 1)..], domainBytes, output);
            }
            else
                output.Write(field);
        }
        if (!hasDate)
            WriteLine(output, $"Date: {ReceivedHeader.Date(now)}");
        if (!hasMessageId)
            WriteLine(output, $"Message-ID: <{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(16))}@{domain}>");
    }

    private static void Masquerade(ReadOnlySpan<byte> field, int colon, string sender, IBufferWriter<byte> output)
    {
        ReadOnlySpan<byte> value = field[(colon + 1)..];
        output.Write(field[..(colon + 1)]);
        if (AddressCompletion.TryFindAngle(value, out Range angle))
        {
            // The name in front stays, folded or not; further authors go.
            output.Write(value[..angle.Start]);
            WriteLine(output, $"<{sender}>");
        }
        else
            WriteLine(output, $" {sender}");
    }

    private static int FieldLength(ReadOnlySpan<byte> header)
    {
        int length = 0;
        do
        {
            int end = header[length..].IndexOf((byte)'\n');
            length = end < 0 ? header.Length : length + end + 1;
        }
        while (length < header.Length && header[length] is (byte)' ' or (byte)'\t');
        return length;
    }

    private static void WriteLine(IBufferWriter<byte> output, string line)
    {
        output.Write(Encoding.UTF8.GetBytes(line));
        output.Write("\r\n"u8);
    }
}

using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Posthouse.Plugs;
using Posthouse.Server.Queueing;

namespace Posthouse.Server.Delivering.Bouncing;

/// <summary>
/// Writes a delivery status notification: multipart/report (RFC 6522) of a text for people, the report for programs
/// (RFC 3464), and the message or its headers. With addresses beyond ASCII the types of RFC 6533 are used.
/// </summary>
/// <param name="bounces">At least one; all of one message, type and sender.</param>
/// <param name="now">For the Date field.</param>
/// <param name="id">Id of the message that is written.</param>
internal sealed class BounceMessage(IReadOnlyList<Envelope> bounces, DateTimeOffset now, MessageId id)
{
    /// <summary>Headers of the original that are returned at most.</summary>
    public const int MaxHeaders = 64 << 10;

    private const int MaxText = 900;
    private readonly Envelope _first = bounces[0];
    private readonly string _type = bounces[0].Bounce!.Type;
    private readonly BounceReport[] _reports = [.. bounces.SelectMany(static bounce => bounce.Bounce!.Of)];
    private readonly string _boundary = $"=_{id}.{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(12))}";

    private string ServerName => _first.ServerName ?? "localhost";

    private bool IsWhole => _type == BounceType.Failed && string.Equals(_first.Notification?.Return, "full", StringComparison.OrdinalIgnoreCase);

    /// <summary>Writes all of it; <paramref name="original"/> is read from its beginning.</summary>
    public async Task WriteAsync(MessageWriter writer, Stream original, CancellationToken cancellation)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(MaxHeaders);
        try
        {
            int read = await original.ReadAtLeastAsync(buffer.AsMemory(0, MaxHeaders), MaxHeaders, throwOnEndOfStream: false, cancellation);
            int headers = HeadersLength(buffer.AsSpan(0, read));
            bool areHeadersAscii = Ascii.IsValid(buffer.AsSpan(0, headers));
            await writer.WriteAsync(Encoding.UTF8.GetBytes(Head(areHeadersAscii)), cancellation);
            int rest = IsWhole ? read : headers;
            while (rest > 0)
            {
                await writer.WriteAsync(buffer.AsMemory(0, rest), cancellation);
                rest = IsWhole ? await original.ReadAsync(buffer, cancellation) : 0;
            }

            await writer.WriteAsync(Encoding.ASCII.GetBytes($"\r\n--{_boundary}--\r\n"), cancellation);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    // With the last line end but without the empty line; what is too long is cut at a line end.
    private static int HeadersLength(ReadOnlySpan<byte> content)
    {
        if (content.StartsWith("\r\n"u8))
            return 0;
        int end = content.IndexOf("\r\n\r\n"u8);
        if (end >= 0)
            return end + 2;
        return content.Length < MaxHeaders ? content.Length : content.LastIndexOf("\r\n"u8) + 2;
    }

    private string Head(bool areHeadersAscii)
    {
        bool isInternational = !Ascii.IsValid(_first.Recipient) || _reports.Any(static report => !Ascii.IsValid(report.Recipient));
        string text = Text();
        bool isTextAscii = Ascii.IsValid(text);
        bool is8Bit = IsWhole || !areHeadersAscii || !isTextAscii || isInternational;
        StringBuilder head = new(2048);
        Line(head, $"Date: {Date(now)}");
        Line(head, $"From: Mailer Daemon <MAILER-DAEMON@{Clean(ServerName)}>");
        Line(head, $"To: <{Clean(_first.Recipient)}>");
        Line(head, $"Subject: Delivery status notification: {_type}");
        Line(head, $"Message-ID: <{id}.{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8))}@{Clean(ServerName)}>");
        Line(head, "Auto-Submitted: auto-replied");
        Line(head, "MIME-Version: 1.0");
        Line(head, "Content-Type: multipart/report; report-type=delivery-status;");
        Line(head, $"\tboundary=\"{_boundary}\"");
        if (is8Bit)
            Line(head, "Content-Transfer-Encoding: 8bit");
        Line(head, "");
        Line(head, "This is a delivery status notification in MIME format.");
        Part(head, isTextAscii ? "text/plain; charset=us-ascii" : "text/plain; charset=utf-8", !isTextAscii, "Notification");
        head.Append(text);
        Part(head, isInternational ? "message/global-delivery-status" : "message/delivery-status", isInternational, "Delivery report");
        Report(head, isInternational);
        if (IsWhole)
            Part(head, areHeadersAscii ? "message/rfc822" : "message/global", true, "Undelivered message");
        else
            Part(head, areHeadersAscii ? "text/rfc822-headers" : "message/global-headers", !areHeadersAscii, "Message headers");
        return head.ToString();
    }

    private void Part(StringBuilder to, string type, bool is8Bit, string description)
    {
        Line(to, "");
        Line(to, $"--{_boundary}");
        Line(to, $"Content-Type: {type}");
        Line(to, $"Content-Description: {description}");
        if (is8Bit)
            Line(to, "Content-Transfer-Encoding: 8bit");
        Line(to, "");
    }

    private string Text()
    {
        StringBuilder text = new(1024);
        Line(text, $"This is the mail system at {Clean(ServerName)}.");
        Line(text, "");
        foreach (string line in _type switch
        {
            BounceType.Failed => (string[])["Your message could not be delivered to the recipients named below,", "and will not be tried again."],
            BounceType.Delayed => ["Your message has not yet been delivered to the recipients named below.", "It is tried again, and you need not send it again: you will hear from us", "if it fails for good."],
            BounceType.Delivered => ["Your message was delivered to the recipients named below, as you had asked", "to be told."],
            _ => ["Your message for the recipients named below was handed over to a mail system", "that sends no notifications, so this is the last you hear of it."],
        })
        {
            Line(text, line);
        }

        foreach (BounceReport report in _reports)
        {
            Line(text, "");
            Line(text, $"<{Clean(report.Recipient)}>");
            if (!string.IsNullOrEmpty(report.Error))
                Line(text, $"    {Clean(report.Error)}");
            if (_type == BounceType.Delayed && report.Expires != 0)
                Line(text, $"    tried until {Date(DateTimeOffset.FromUnixTimeSeconds(report.Expires))}");
        }

        Line(text, "");
        Line(text, IsWhole ? "Your message follows." : "The headers of your message follow.");
        return text.ToString();
    }

    private void Report(StringBuilder to, bool isInternational)
    {
        // RFC 3464 section 2.2: fields of the message.
        if (_first.Notification?.EnvelopeIdentifier is { Length: > 0 } envid)
            Line(to, $"Original-Envelope-Id: {CleanAscii(envid)}");
        Line(to, $"Reporting-MTA: dns; {CleanAscii(ServerName)}");
        if (_reports[0].Arrived != 0)
            Line(to, $"Arrival-Date: {Date(DateTimeOffset.FromUnixTimeSeconds(_reports[0].Arrived))}");
        foreach (BounceReport report in _reports)
        {
            // Section 2.3: fields of a recipient. The final recipient is the address that the sender knows, so that no alias is given away.
            Line(to, "");
            if (report.OriginalRecipient is { } original && original.IndexOf(';', StringComparison.Ordinal) is > 0 and int at)
                Line(to, $"Original-Recipient: {CleanAscii(original[..at])}; {Text(original[(at + 1)..])}");
            Line(to, $"Final-Recipient: {(Ascii.IsValid(report.Recipient) ? "rfc822" : "utf-8")}; {Text(report.Recipient)}");
            Line(to, $"Action: {_type}");
            Line(to, $"Status: {CleanAscii(string.IsNullOrEmpty(report.Status) ? DefaultStatus : report.Status)}");
            if (!string.IsNullOrEmpty(report.Remote))
                Line(to, $"Remote-MTA: dns; {CleanAscii(report.Remote)}");
            if (!string.IsNullOrEmpty(report.Error) && (_type is BounceType.Failed or BounceType.Delayed))
                Line(to, $"Diagnostic-Code: {(string.IsNullOrEmpty(report.Remote) ? "X-Posthouse" : "smtp")}; {Text(report.Error)}");
            if (report.LastTry != 0)
                Line(to, $"Last-Attempt-Date: {Date(DateTimeOffset.FromUnixTimeSeconds(report.LastTry))}");
            if (_type == BounceType.Delayed && report.Expires != 0)
                Line(to, $"Will-Retry-Until: {Date(DateTimeOffset.FromUnixTimeSeconds(report.Expires))}");
        }

        string Text(string value) => isInternational ? Clean(value) : CleanAscii(value);
    }

    private string DefaultStatus => _type switch { BounceType.Failed => "5.0.0", BounceType.Delayed => "4.0.0", _ => "2.0.0" };

    private static void Line(StringBuilder to, string text) => to.Append(text).Append("\r\n");

    private static string Date(DateTimeOffset time) => time.ToUniversalTime().ToString("ddd, d MMM yyyy HH:mm:ss '+0000'", CultureInfo.InvariantCulture);

    /// <summary>Text from elsewhere in one line: control characters become spaces, and a line stays below the limit of 998 bytes (RFC 5322 section 2.1.1).</summary>
    private static string Clean(string text)
    {
        StringBuilder clean = new(Math.Min(text.Length, MaxText));
        int bytes = 0;
        foreach (Rune rune in text.EnumerateRunes())
        {
            bytes += rune.Utf8SequenceLength;
            if (bytes > MaxText)
                return clean.Append("...").ToString();
            if (Rune.IsControl(rune))
                clean.Append(' ');
            else
                clean.Append(rune);
        }

        return clean.ToString();
    }

    private static string CleanAscii(string text)
    {
        string clean = Clean(text);
        return Ascii.IsValid(clean) ? clean : string.Concat(clean.EnumerateRunes().Select(static rune => rune.IsAscii ? (char)rune.Value : '?'));
    }
}

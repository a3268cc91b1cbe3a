using System.Buffers;
using System.Buffers.Text;
using System.Text;

namespace Posthouse.Wire;

/// <summary>Replies as bytes (RFC 5321 section 4.2.1).</summary>
public static class ReplyFormat
{
    /// <summary>
    /// Writes <paramref name="reply"/> with its CRLF, one line for each line of its text, the enhanced code on every line (RFC 2034 section 4).
    /// Control characters of the text become <c>?</c>, so that no text can make a line of its own.
    /// </summary>
    public static void Write(IBufferWriter<byte> output, SmtpReply reply)
    {
        ReadOnlySpan<char> text = reply.Text;
        while (true)
        {
            int end = text.IndexOf('\n');
            ReadOnlySpan<char> line = end < 0 ? text : text[..end];
            WriteLine(output, reply, line, isLast: end < 0);
            if (end < 0)
                return;
            text = text[(end + 1)..];
        }
    }

    /// <summary>The bytes of a reply, for one that is sent often.</summary>
    public static byte[] ToBytes(SmtpReply reply)
    {
        ArrayBufferWriter<byte> output = new();
        Write(output, reply);
        return output.WrittenSpan.ToArray();
    }

    private static void WriteLine(IBufferWriter<byte> output, SmtpReply reply, ReadOnlySpan<char> line, bool isLast)
    {
        // Code, separator, an enhanced code of at most 9 bytes and its space, CRLF.
        Span<byte> span = output.GetSpan(Encoding.UTF8.GetMaxByteCount(line.Length) + 3 + 1 + 9 + 1 + 2);
        Utf8Formatter.TryFormat(reply.Code, span, out int at, new StandardFormat('D', 3));
        span[at++] = isLast ? (byte)' ' : (byte)'-';
        if (!reply.Enhanced.IsNone)
        {
            Utf8Formatter.TryFormat(reply.Enhanced.Class, span[at..], out int length);
            at += length;
            span[at++] = (byte)'.';
            Utf8Formatter.TryFormat(reply.Enhanced.Subject, span[at..], out length);
            at += length;
            span[at++] = (byte)'.';
            Utf8Formatter.TryFormat(reply.Enhanced.Detail, span[at..], out length);
            at += length;
            span[at++] = (byte)' ';
        }
        int count = Encoding.UTF8.GetBytes(line, span[at..]);
        Span<byte> written = span.Slice(at, count);
        for (int control; (control = written.IndexOfAnyInRange((byte)0, (byte)31)) >= 0;)
            written[control] = (byte)'?';
        written.Replace((byte)127, (byte)'?');
        at += count;
        span[at++] = (byte)'\r';
        span[at++] = (byte)'\n';
        output.Advance(at);
    }
}

using System.Buffers.Text;
using System.Text;
using Posthouse.Server.Configuration;

namespace Posthouse.Server.Filtering;

/// <summary>Writes the lines that go to filters. Parameters cannot end a line, whatever is in them.</summary>
internal static class FilterLines
{
    /// <summary>Room for everything but the parameters.</summary>
    internal const int Overhead = 160;

    private static ReadOnlySpan<byte> Report1 => "report|0.7|"u8;

    private static ReadOnlySpan<byte> Filter1 => "filter|0.7|"u8;

    private static ReadOnlySpan<byte> In => "|smtp-in|"u8;

    /// <summary>A report event, with its line feed.</summary>
    internal static byte[] Report(DateTimeOffset time, FilterEvent what, string session, string? parameters, Encoding encoding)
    {
        string word = FilterWords.Of(what);
        int length = parameters is null ? 0 : encoding.GetMaxByteCount(parameters.Length);
        Span<byte> buffer = length + Overhead <= 1024 ? stackalloc byte[1024] : new byte[length + Overhead];
        int at = Put(buffer, 0, Report1);
        at = PutTime(buffer, at, time);
        at = Put(buffer, at, In);
        at += Encoding.ASCII.GetBytes(word, buffer[at..]);
        buffer[at++] = (byte)'|';
        at += Encoding.ASCII.GetBytes(session, buffer[at..]);
        if (parameters is not null)
        {
            buffer[at++] = (byte)'|';
            at += PutParameters(buffer[at..], parameters, encoding);
        }
        buffer[at++] = (byte)'\n';
        return buffer[..at].ToArray();
    }

    /// <summary>A question; the line ends with its parameters and a line feed. Answers how long it is.</summary>
    internal static int Question(Span<byte> buffer, DateTimeOffset time, FilterPhase phase, string session, ulong token, string parameters)
    {
        int at = Prefix(buffer, time, FilterWords.Of(phase), session, token);
        at += PutParameters(buffer[at..], parameters, Encoding.UTF8);
        buffer[at++] = (byte)'\n';
        return at;
    }

    /// <summary>A question up to its parameters.</summary>
    internal static int Prefix(Span<byte> buffer, DateTimeOffset time, string phase, string session, ulong token)
    {
        int at = Put(buffer, 0, Filter1);
        at = PutTime(buffer, at, time);
        at = Put(buffer, at, In);
        at += Encoding.ASCII.GetBytes(phase, buffer[at..]);
        buffer[at++] = (byte)'|';
        at += Encoding.ASCII.GetBytes(session, buffer[at..]);
        buffer[at++] = (byte)'|';
        at = PutHex(buffer, at, token);
        buffer[at++] = (byte)'|';
        return at;
    }

    /// <summary>The seconds of a time, a dot, and six digits of microseconds.</summary>
    internal static int PutTime(Span<byte> buffer, int at, DateTimeOffset time)
    {
        long ticks = time.UtcTicks - DateTimeOffset.UnixEpoch.UtcTicks;
        Utf8Formatter.TryFormat(ticks / TimeSpan.TicksPerSecond, buffer[at..], out int written);
        at += written;
        buffer[at++] = (byte)'.';
        Utf8Formatter.TryFormat(ticks % TimeSpan.TicksPerSecond / TimeSpan.TicksPerMicrosecond, buffer[at..], out written, new('D', 6));
        return at + written;
    }

    /// <summary>Sixteen lower-case digits.</summary>
    internal static int PutHex(Span<byte> buffer, int at, ulong value)
    {
        for (int shift = 60; shift >= 0; shift -= 4) buffer[at++] = "0123456789abcdef"u8[(int)(value >> shift) & 15];
        return at;
    }

    private static int Put(Span<byte> buffer, int at, ReadOnlySpan<byte> text)
    {
        text.CopyTo(buffer[at..]);
        return at + text.Length;
    }

    private static int PutParameters(Span<byte> buffer, string parameters, Encoding encoding)
    {
        int length = encoding.GetBytes(parameters, buffer);
        Span<byte> rest = buffer[..length];
        for (int odd; (odd = rest.IndexOfAny((byte)'\r', (byte)'\n', (byte)0)) >= 0; rest = rest[odd..]) rest[odd] = (byte)' ';
        return length;
    }
}

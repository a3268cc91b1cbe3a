using System.Globalization;
using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using Posthouse.Fuzz.Oracles;
using Posthouse.Wire;

namespace Posthouse.Fuzz.Targets;

/// <summary>A PROXY header of either version, and all its beginnings.</summary>
public sealed partial class ProxyTarget : IFuzzTarget
{
    private const string Signature = "\r\n\r\n\0\r\nQUIT\n";

    public static string Name => "proxy";

    public static IReadOnlyList<string> Words { get; } =
        ["PROXY ", "TCP4 ", "TCP6 ", "UNKNOWN", "127.0.0.1 ", "::1 ", "2001:db8::1", "::ffff:1.2.3.4", "65535", "65536", "\r\n", Signature, "\u0020", "\u0021\u0011\0\u000c", "\u0021\u0021\0\u0024"];

    public static bool Run(ReadOnlySpan<byte> input)
    {
        (ProxyParseStatus status, ProxyHeader header, int consumed) expected = Expected(input);
        ProxyParseStatus found = ProxyHeader.Parse(input, out ProxyHeader header, out int consumed);
        MismatchException.ThrowUnlessSame(expected.status, found, "the header");
        if (found == ProxyParseStatus.Complete)
            MismatchException.ThrowUnlessSame((expected.header, expected.consumed), (header, consumed), "the header");
        // As it comes in: nothing is decided before it must be, and what was decided stays.
        for (int length = 0; length < Math.Min(input.Length, ProxyHeader.MaxLength); length++)
        {
            ProxyParseStatus early = ProxyHeader.Parse(input[..length], out ProxyHeader earlyHeader, out int earlyConsumed);
            if (early != ProxyParseStatus.Incomplete)
                MismatchException.ThrowUnlessSame((found, header), (early, earlyHeader), $"the first {length} bytes");
            MismatchException.ThrowUnless(early != ProxyParseStatus.Complete || earlyConsumed <= length, "more was consumed than there was");
            MismatchException.ThrowUnless(found != ProxyParseStatus.Complete || length < consumed || early == found, "it waits for more than it needs");
        }

        return found == ProxyParseStatus.Complete;
    }

    private static (ProxyParseStatus Status, ProxyHeader Header, int Consumed) Expected(ReadOnlySpan<byte> input)
    {
        string text = Encoding.Latin1.GetString(input);
        if (text.StartsWith('P'))
            return ExpectedVersion1(text);
        if (text.Length < 16)
            return (IsBeginning(text, Signature) ? ProxyParseStatus.Incomplete : ProxyParseStatus.Malformed, default, 0);
        int length = text[14] * 256 + text[15];
        if (!text.StartsWith(Signature, StringComparison.Ordinal) || text[12] is not ('\x20' or '\x21') || 16 + length > ProxyHeader.MaxLength)
            return (ProxyParseStatus.Malformed, default, 0);
        if (text.Length < 16 + length)
            return (ProxyParseStatus.Incomplete, default, 0);
        int size = text[12] == '\x20' ? 0 : text[13] switch { '\x11' => 4, '\x21' => 16, _ => 0 };
        if (size == 0)
            return (ProxyParseStatus.Complete, default, 16 + length);
        if (length < size + size + 2 + 2)
            return (ProxyParseStatus.Malformed, default, 0);
        byte[] all = input.ToArray();
        int ports = 16 + size + size;
        return (ProxyParseStatus.Complete, new(
            new(new IPAddress(all[16..(16 + size)]), all[ports] * 256 + all[ports + 1]),
            new(new IPAddress(all[(16 + size)..ports]), all[ports + 2] * 256 + all[ports + 3])), 16 + length);
    }

    private static (ProxyParseStatus Status, ProxyHeader Header, int Consumed) ExpectedVersion1(string text)
    {
        if (!IsBeginning(text.Length < 6 ? text : text[..6], "PROXY "))
            return (ProxyParseStatus.Malformed, default, 0);
        int end = text.IndexOf("\r\n", StringComparison.Ordinal);
        if (end < 0 || end + 2 > 107)
            return (text.Length < 107 ? ProxyParseStatus.Incomplete : ProxyParseStatus.Malformed, default, 0);
        string line = text[6..end];
        if (line == "UNKNOWN" || line.StartsWith("UNKNOWN ", StringComparison.Ordinal))
            return (ProxyParseStatus.Complete, default, end + 2);
        Match match = Line().Match(line);
        string source = match.Groups["source"].Value, destination = match.Groups["destination"].Value;
        Func<string, bool> isAddress = match.Groups["family"].Value == "4" ? Addresses.IsIPv4 : Addresses.IsIPv6;
        if (!match.Success || !isAddress(source) || !isAddress(destination))
            return (ProxyParseStatus.Malformed, default, 0);
        int[] ports = [.. match.Groups["port"].Captures.Select(port => int.Parse(port.Value, CultureInfo.InvariantCulture))];
        if (ports.Any(port => port > 65535))
            return (ProxyParseStatus.Malformed, default, 0);
        return (ProxyParseStatus.Complete, new(new(IPAddress.Parse(source), ports[0]), new(IPAddress.Parse(destination), ports[1])), end + 2);
    }

    private static bool IsBeginning(string text, string of) => text.Length <= of.Length ? of.StartsWith(text, StringComparison.Ordinal) : text.StartsWith(of, StringComparison.Ordinal);

    [GeneratedRegex(@"\ATCP(?<family>[46]) (?<source>[^ ]+) (?<destination>[^ ]+) (?<port>[0-9]{1,5}) (?<port>[0-9]{1,5})\z")]
    private static partial Regex Line();
}

using System.Buffers.Binary;
using System.Buffers.Text;
using System.Net;
using System.Net.Sockets;

namespace Posthouse.Wire;

/// <summary>
/// The header of the PROXY protocol, by which a proxy says whom it speaks for. The endpoints are null where it speaks for itself (LOCAL, UNKNOWN)
/// or for something that is not TCP over IP: then the connection's own address stands.
/// </summary>
public readonly record struct ProxyHeader(IPEndPoint? Source, IPEndPoint? Destination)
{
    /// <summary>The longest header that is read, in bytes: version 2 with addresses and 512 bytes of additions.</summary>
    public const int MaxLength = 16 + 36 + 512;

    private const int MaxLengthOfVersion1 = 107;

    private static ReadOnlySpan<byte> Signature => "\r\n\r\n\0\r\nQUIT\n"u8;

    /// <summary>Reads a header of version 1 or 2 at the start of <paramref name="input"/>.</summary>
    public static ProxyParseStatus Parse(ReadOnlySpan<byte> input, out ProxyHeader header, out int consumed)
    {
        header = default;
        consumed = 0;
        if (input.IsEmpty)
            return ProxyParseStatus.Incomplete;
        return input[0] == 'P' ? ParseVersion1(input, out header, out consumed) : ParseVersion2(input, out header, out consumed);
    }

    /// <summary>Reads a header of version 2: the signature, a command, a family, a length and addresses; what is added behind them is skipped.</summary>
    public static ProxyParseStatus ParseVersion2(ReadOnlySpan<byte> input, out ProxyHeader header, out int consumed)
    {
        header = default;
        consumed = 0;
        int common = Math.Min(input.Length, Signature.Length);
        if (!input[..common].SequenceEqual(Signature[..common]))
            return ProxyParseStatus.Malformed;
        if (input.Length < 16)
            return ProxyParseStatus.Incomplete;
        int command = input[12];
        int family = input[13];
        int length = BinaryPrimitives.ReadUInt16BigEndian(input[14..]);
        if (command is not (0x20 or 0x21) || length > MaxLength - 16)
            return ProxyParseStatus.Malformed;
        if (input.Length < 16 + length)
            return ProxyParseStatus.Incomplete;
        ReadOnlySpan<byte> addresses = input.Slice(16, length);
        consumed = 16 + length;
        if (command == 0x20)
            return ProxyParseStatus.Complete;
        int size = family switch { 0x11 => 4, 0x21 => 16, _ => 0 };
        if (size == 0)
            return ProxyParseStatus.Complete;
        if (length < 2 * size + 4)
            return ProxyParseStatus.Malformed;
        header = new(
            new IPEndPoint(new IPAddress(addresses[..size]), BinaryPrimitives.ReadUInt16BigEndian(addresses[(2 * size)..])),
            new IPEndPoint(new IPAddress(addresses.Slice(size, size)), BinaryPrimitives.ReadUInt16BigEndian(addresses[(2 * size + 2)..])));
        return ProxyParseStatus.Complete;
    }

    private static ProxyParseStatus ParseVersion1(ReadOnlySpan<byte> input, out ProxyHeader header, out int consumed)
    {
        header = default;
        consumed = 0;
        ReadOnlySpan<byte> start = "PROXY "u8;
        int common = Math.Min(input.Length, start.Length);
        if (!input[..common].SequenceEqual(start[..common]))
            return ProxyParseStatus.Malformed;
        int end = input[..Math.Min(input.Length, MaxLengthOfVersion1)].IndexOf("\r\n"u8);
        if (end < 0)
            return input.Length >= MaxLengthOfVersion1 ? ProxyParseStatus.Malformed : ProxyParseStatus.Incomplete;
        consumed = end + 2;
        ReadOnlySpan<byte> line = input[start.Length..end];
        if (line.SequenceEqual("UNKNOWN"u8) || line.StartsWith("UNKNOWN "u8))
            return ProxyParseStatus.Complete;
        Span<Range> fields = stackalloc Range[5];
        int count = 0;
        foreach (Range field in line.Split((byte)' '))
        {
            if (count == fields.Length)
                return ProxyParseStatus.Malformed;
            fields[count++] = field;
        }
        if (count != fields.Length)
            return ProxyParseStatus.Malformed;
        AddressFamily family = line[fields[0]].SequenceEqual("TCP4"u8) ? AddressFamily.InterNetwork
            : line[fields[0]].SequenceEqual("TCP6"u8) ? AddressFamily.InterNetworkV6 : AddressFamily.Unspecified;
        if (family == AddressFamily.Unspecified
            || !HostName.TryParseAddress(line[fields[1]], family, out IPAddress? source)
            || !HostName.TryParseAddress(line[fields[2]], family, out IPAddress? destination)
            || !TryParsePort(line[fields[3]], out int sourcePort)
            || !TryParsePort(line[fields[4]], out int destinationPort))
            return ProxyParseStatus.Malformed;
        header = new(new IPEndPoint(source!, sourcePort), new IPEndPoint(destination!, destinationPort));
        return ProxyParseStatus.Complete;
    }

    private static bool TryParsePort(ReadOnlySpan<byte> text, out int port)
    {
        port = 0;
        return text.Length is > 0 and <= 5 && text.IndexOfAnyExceptInRange((byte)'0', (byte)'9') < 0
            && Utf8Parser.TryParse(text, out port, out _) && port <= ushort.MaxValue;
    }
}

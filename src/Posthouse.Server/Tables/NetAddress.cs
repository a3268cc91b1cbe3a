using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;

namespace Posthouse.Server.Tables;

/// <summary>
/// An IP address as a number, for matching without allocation. An IPv4 address mapped into IPv6 (RFC 4291 section 2.5.5.2)
/// is the IPv4 address; a scope id is forgotten.
/// </summary>
public readonly record struct NetAddress
{
    private static readonly UInt128 s_mapped = (UInt128)0xffff << 32;

    private NetAddress(UInt128 bits, bool isV4)
    {
        Bits = bits;
        IsV4 = isV4;
    }

    /// <summary>The address as a number of <see cref="Width"/> bits.</summary>
    public UInt128 Bits { get; }

    /// <summary>Whether it is an IPv4 address.</summary>
    public bool IsV4 { get; }

    /// <summary>32 or 128.</summary>
    public int Width => IsV4 ? 32 : 128;

    /// <summary>The number of an address.</summary>
    public static NetAddress Of(IPAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        Span<byte> bytes = stackalloc byte[16];
        address.TryWriteBytes(bytes, out _);
        return address.AddressFamily == AddressFamily.InterNetwork
            ? new(BinaryPrimitives.ReadUInt32BigEndian(bytes), true)
            : OfV6(BinaryPrimitives.ReadUInt128BigEndian(bytes));
    }

    /// <summary>Reads an address as tables and sessions write it: dotted quad or IPv6, in brackets or not, after <c>IPv6:</c> or not.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out NetAddress address)
    {
        address = default;
        if (text is ['[', .., ']'])
            text = text[1..^1];
        bool tagged = text.StartsWith("IPv6:", StringComparison.OrdinalIgnoreCase);
        if (tagged)
            text = text[5..];
        if (!text.Contains(':'))
        {
            if (tagged || !TryParseV4(text, 4, out uint number))
                return false;
            address = new(number, true);
            return true;
        }

        int scope = text.IndexOf('%');
        if (scope >= 0)
            text = text[..scope];
        if (text.ContainsAny('/', '[', ']') || !IPAddress.TryParse(text, out IPAddress? parsed) || parsed.AddressFamily != AddressFamily.InterNetworkV6)
            return false;
        address = Of(parsed);
        return true;
    }

    /// <summary>
    /// Reads a network: an address alone, or one with a prefix length (<c>10.0.0.0/8</c>, <c>10/8</c>, <c>[2001:db8::]/32</c>);
    /// bits beyond the prefix are cleared. <paramref name="prefix"/> is 0 to <see cref="Width"/>.
    /// </summary>
    public static bool TryParseNetwork(ReadOnlySpan<char> text, out NetAddress network, out int prefix)
    {
        network = default;
        prefix = 0;
        int slash = text.LastIndexOf('/');
        if (text is ['[', .., ']'] && slash > 0)
        {
            text = text[1..^1];
            slash--;
        }

        if (slash < 0)
        {
            if (!TryParse(text, out network))
                return false;
            prefix = network.Width;
            return true;
        }

        ReadOnlySpan<char> digits = text[(slash + 1)..];
        if (digits.Length is 0 or > 3 || digits.ContainsAnyExceptInRange('0', '9'))
            return false;
        prefix = int.Parse(digits, System.Globalization.CultureInfo.InvariantCulture);
        text = text[..slash];
        if (!TryParse(text, out network))
        {
            if (text.Contains(':') || !TryParseV4(text, 1, out uint number))
                return false;
            network = new(number, true);
        }
        else if (network.IsV4 && text.Contains(':'))
        {
            // Written as ::ffff:a.b.c.d/N: the prefix counts the bits in front as well.
            if (prefix < 96)
                return false;
            prefix -= 96;
        }

        if (prefix > network.Width)
            return false;
        network = network.Mask(prefix);
        return true;
    }

    /// <summary>The network of that prefix length (0 to <see cref="Width"/>) which the address is in.</summary>
    public NetAddress Mask(int prefix) => prefix == 0 ? new(0, IsV4) : new(Bits >> (Width - prefix) << (Width - prefix), IsV4);

    private static NetAddress OfV6(UInt128 bits) => bits >> 32 == s_mapped >> 32 ? new((uint)bits, true) : new(bits, false);

    // Strict decimal: no octal, no hexadecimal, no missing numbers unless a prefix length says that zeros are meant.
    private static bool TryParseV4(ReadOnlySpan<char> text, int atLeast, out uint number)
    {
        number = 0;
        uint part = 0;
        int count = 0, digits = 0;
        for (int i = 0; i <= text.Length; i++)
        {
            if (i == text.Length || text[i] == '.')
            {
                if (digits == 0 || part > 255 || ++count > 4)
                    return false;
                number = number << 8 | part;
                part = 0;
                digits = 0;
            }
            else if (!char.IsAsciiDigit(text[i]) || ++digits > 3 || (digits == 2 && part == 0))
            {
                return false;
            }
            else
            {
                part = part * 10 + (uint)(text[i] - '0');
            }
        }

        if (count < atLeast)
            return false;
        number <<= 8 * (4 - count);
        return true;
    }
}

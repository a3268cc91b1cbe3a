using System.Globalization;
using System.Security.Cryptography;

namespace Posthouse.Plugs;

/// <summary>Names an envelope: 64 bits, written as 16 lower-case hex digits, of which the first 8 are its message's id.</summary>
public readonly record struct EnvelopeId(ulong Value) : IComparable<EnvelopeId>
{
    /// <summary>The message that this envelope belongs to.</summary>
    public MessageId Message => new((uint)(Value >> 32));

    /// <summary>Draws a random id of <paramref name="message"/>; its own half is never zero.</summary>
    public static EnvelopeId Draw(MessageId message)
    {
        Span<byte> bytes = stackalloc byte[4];
        uint low;
        do
        {
            RandomNumberGenerator.Fill(bytes);
            low = BitConverter.ToUInt32(bytes);
        }
        while (low == 0);
        return new((ulong)message.Value << 32 | low);
    }

    /// <summary>Reads exactly 16 hex digits whose two halves are not zero.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out EnvelopeId id)
    {
        id = default;
        if (text.Length != 16 || !ulong.TryParse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong value)
            || value >> 32 == 0 || (uint)value == 0)
            return false;
        id = new(value);
        return true;
    }

    /// <inheritdoc/>
    public int CompareTo(EnvelopeId other) => Value.CompareTo(other.Value);

    /// <summary>The 16 hex digits.</summary>
    public override string ToString() => Value.ToString("x16", CultureInfo.InvariantCulture);
}

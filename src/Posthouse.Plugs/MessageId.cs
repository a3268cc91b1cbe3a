using System.Globalization;
using System.Security.Cryptography;

namespace Posthouse.Plugs;

/// <summary>Names a message: 32 bits, written as 8 lower-case hex digits; zero names none.</summary>
public readonly record struct MessageId(uint Value) : IComparable<MessageId>
{
    /// <summary>Whether this names a message at all.</summary>
    public bool IsNone => Value == 0;

    /// <summary>Draws a random id, never zero. The store says when it is taken.</summary>
    public static MessageId Draw()
    {
        Span<byte> bytes = stackalloc byte[4];
        uint value;
        do
        {
            RandomNumberGenerator.Fill(bytes);
            value = BitConverter.ToUInt32(bytes);
        }
        while (value == 0);
        return new(value);
    }

    /// <summary>Reads exactly 8 hex digits that are not all zero.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out MessageId id)
    {
        id = default;
        if (text.Length != 8 || !uint.TryParse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out uint value) || value == 0)
            return false;
        id = new(value);
        return true;
    }

    /// <inheritdoc/>
    public int CompareTo(MessageId other) => Value.CompareTo(other.Value);

    /// <summary>The 8 hex digits.</summary>
    public override string ToString() => Value.ToString("x8", CultureInfo.InvariantCulture);
}

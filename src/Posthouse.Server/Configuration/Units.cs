using System.Globalization;

namespace Posthouse.Server.Configuration;

/// <summary>Times and sizes as an administrator writes them.</summary>
public static class Units
{
    /// <summary>Reads a whole number and one of <c>s m h d</c>; at least one second, less than 2^31 seconds.</summary>
    public static bool TryParseDelay(ReadOnlySpan<char> text, out TimeSpan delay)
    {
        delay = default;
        if (text.Length < 2 || !long.TryParse(text[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out long count))
            return false;
        int unit = text[^1] switch { 's' => 1, 'm' => 60, 'h' => 3600, 'd' => 86400, _ => 0 };
        if (unit == 0 || count < 1 || count > int.MaxValue / unit)
            return false;
        delay = TimeSpan.FromSeconds(count * unit);
        return true;
    }

    /// <summary>Reads bytes: a number, with a fraction if there is a unit, and perhaps one of <c>B K M G T P E</c> in either case, powers of 1024.</summary>
    public static bool TryParseSize(ReadOnlySpan<char> text, out long size)
    {
        size = 0;
        if (text.IsEmpty)
            return false;
        int power = "BKMGTPE".IndexOf(char.ToUpperInvariant(text[^1]), StringComparison.Ordinal);
        if (power < 0)
            return long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out size);
        if (!decimal.TryParse(text[..^1], NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out decimal number))
            return false;
        decimal unit = 1L << (10 * power);
        if (number > long.MaxValue / unit)
            return false;
        size = (long)(number * unit);
        return true;
    }
}

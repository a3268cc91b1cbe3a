using System.Globalization;

namespace Posthouse.Server.Delivering;

/// <summary>A span of time as logs show it: <c>1d2h3m4s</c>, without the parts that are zero, and <c>0s</c>.</summary>
public static class DelayText
{
    /// <summary>The text of <paramref name="seconds"/>; a negative span is zero.</summary>
    public static string Of(long seconds)
    {
        if (seconds < 60)
            return string.Create(CultureInfo.InvariantCulture, $"{Math.Max(0, seconds)}s");
        (long days, long hours, long minutes) = (seconds / 86400, seconds / 3600 % 24, seconds / 60 % 60);
        return Part(days, 'd') + Part(hours, 'h') + Part(minutes, 'm') + Part(seconds % 60, 's');
    }

    private static string Part(long value, char unit) => value == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $"{value}{unit}");
}

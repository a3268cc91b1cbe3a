using System.Globalization;

namespace Posthouse.Server.Queueing.Log;

/// <summary>The names of the log's files.</summary>
internal static class LogNames
{
    public const string Bodies = "bodies";
    public const string Quarantine = "quarantine";

    private const string SegmentSuffix = ".segment";
    private const string BodySuffix = ".body";

    public static string Segment(int number) => number.ToString("d10", CultureInfo.InvariantCulture) + SegmentSuffix;

    public static string Body(long number) => $"{Bodies}/{number.ToString("d16", CultureInfo.InvariantCulture)}{BodySuffix}";

    public static string Quarantined(int segment, long offset) =>
        string.Create(CultureInfo.InvariantCulture, $"{Quarantine}/{segment:d10}-{offset}.batch");

    public static bool TryParseSegment(string name, out int number)
    {
        number = 0;
        return name.EndsWith(SegmentSuffix, StringComparison.Ordinal)
            && int.TryParse(name.AsSpan(0, name.Length - SegmentSuffix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out number);
    }

    public static bool TryParseBody(string name, out long number)
    {
        number = 0;
        return name.EndsWith(BodySuffix, StringComparison.Ordinal)
            && long.TryParse(name.AsSpan(0, name.Length - BodySuffix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out number);
    }
}

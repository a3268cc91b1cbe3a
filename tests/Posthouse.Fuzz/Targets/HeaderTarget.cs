using System.Text;
using System.Text.RegularExpressions;
using Posthouse.Server.Receiving;

namespace Posthouse.Fuzz.Targets;

/// <summary>The end of a message's header, its Received fields and its faults, at once and in steps.</summary>
public sealed partial class HeaderTarget : IFuzzTarget
{
    public static string Name => "header";

    public static IReadOnlyList<string> Words { get; } =
        ["\r\n", "\r\n\r\n", "Received: ", "received\t:", "From: a@b", "Subject:", ": ", " folded", "\tfolded", "From joe Mon", "X\u0001: y", "X-\u00e9: y", "no field\r\n"];

    public static bool Run(ReadOnlySpan<byte> input)
    {
        // What reaches the scanner in earnest has no bare LF.
        string text = Encoding.Latin1.GetString(input).ReplaceLineEndings("\r\n");
        byte[] message = Encoding.Latin1.GetBytes(text);
        (int? end, int received, bool malformed) = Expected(text);
        foreach (int step in (int[])[int.MaxValue, 1, 7])
        {
            HeaderScanner scanner = default;
            bool found = false;
            int length = 0;
            for (int there = 0; !found && there < message.Length;)
            {
                there = (int)Math.Min((long)there + step, message.Length);
                found = scanner.TryFindEnd(message.AsSpan(0, there), out length);
            }

            MismatchException.ThrowUnlessSame((end, received, malformed), (found ? length : null, scanner.Received, scanner.IsMalformed), $"the header in steps of {step}");
        }

        return end is not null && !malformed;
    }

    private static (int? End, int Received, bool IsMalformed) Expected(string text)
    {
        int received = 0, fields = 0, at = 0;
        bool malformed = false;
        while (true)
        {
            int end = text.IndexOf("\r\n", at, StringComparison.Ordinal);
            if (end < 0)
                return (null, received, malformed);
            string line = text[at..end];
            if (line == "")
                return (at, received, malformed);
            if (line[0] is ' ' or '\t')
                malformed |= fields == 0;
            else if (line[0] == ':')
                malformed = true;
            else if (!Field().IsMatch(line))
                return (at, received, malformed);
            else
            {
                fields++;
                malformed |= !CleanField().IsMatch(line);
                if (ReceivedField().IsMatch(line))
                    received++;
            }

            at = end + 2;
        }
    }

    // A name may be followed by spaces, and has none within; its first odd character says whether this is prose or a broken field.
    [GeneratedRegex(@"\A[\x21-\x39\x3B-\x7E]*(?:[ \t]*|[\x00-\x08\x0A-\x1F\x7F][^:]*):")]
    private static partial Regex Field();

    [GeneratedRegex(@"\A[\x21-\x39\x3B-\x7E]+[ \t]*:")]
    private static partial Regex CleanField();

    [GeneratedRegex(@"\AReceived[ \t]*:", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex ReceivedField();
}

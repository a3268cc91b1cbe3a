using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Posthouse.Fuzz.Oracles;
using Posthouse.Wire;

namespace Posthouse.Fuzz.Targets;

/// <summary>The replies of a server, one after another, whole and byte by byte; each is written and read again.</summary>
public sealed partial class ReplyTarget : IFuzzTarget
{
    public static string Name => "reply";

    public static IReadOnlyList<string> Words { get; } =
        ["250 ", "250-", "250", "550 5.1.1 ", "550-5.1.1 ", "354 ", "421 4.3.2 ", "\r\n", "\n", "2.0.0", "5.999.999", "2.0000.1", "2.1.5 2.1.5", "\u00c2\u0085", "\u00c2\u009b", "\u00e2\u0080\u00a8", "SIZE 100", "AUTH PLAIN", "STARTTLS"];

    public static bool Run(ReadOnlySpan<byte> input)
    {
        (List<SmtpReply> expected, ReplyParseStatus status) = Expected(input.ToArray());
        foreach (int step in (int[])[int.MaxValue, 1])
        {
            (List<SmtpReply> found, ReplyParseStatus end) = Parse(input, step);
            MismatchException.ThrowUnlessSame(string.Join('|', expected), string.Join('|', found), "the replies");
            MismatchException.ThrowUnlessSame(status, end, "the end");
        }

        foreach (SmtpReply reply in expected)
        {
            _ = EhloCapabilities.Read(reply);
            byte[] written = ReplyFormat.ToBytes(reply);
            // What was no UTF-8 has become longer, perhaps longer than a line may be.
            if (reply.Text.Split('\n').All(line => Encoding.UTF8.GetByteCount(line) < ReplyParser.MaxLine - 20))
                MismatchException.ThrowUnlessSame(reply, Parse(written, int.MaxValue).Replies.Single(), "the reply read again");
        }

        return expected.Count != 0;
    }

    private static (List<SmtpReply> Replies, ReplyParseStatus End) Parse(ReadOnlySpan<byte> input, int step)
    {
        var parser = new ReplyParser();
        List<SmtpReply> replies = [];
        for (int at = 0; at < input.Length;)
        {
            int there = (int)Math.Min((long)at + step, input.Length);
            ReplyParseStatus status = parser.Parse(input[at..there], out int consumed, out SmtpReply? reply);
            MismatchException.ThrowUnlessSame(status == ReplyParseStatus.Complete, reply is not null, "the reply");
            if (status == ReplyParseStatus.Malformed)
                return (replies, status);
            MismatchException.ThrowUnless(status == ReplyParseStatus.Complete || consumed == there - at, "bytes were left");
            at += consumed;
            if (reply is not null)
                replies.Add(reply);
        }

        return (replies, ReplyParseStatus.Incomplete);
    }

    private static (List<SmtpReply> Replies, ReplyParseStatus End) Expected(byte[] input)
    {
        List<SmtpReply> replies = [];
        List<string> lines = [];
        int code = 0;
        EnhancedCode enhanced = default;
        for (int at = 0; at < input.Length;)
        {
            int end = Array.IndexOf(input, (byte)'\n', at);
            if ((end < 0 ? input.Length : end + 1) - at > ReplyParser.MaxLine)
                return (replies, ReplyParseStatus.Malformed);
            if (end < 0)
                break;
            string line = Encoding.Latin1.GetString(input, at, end - at);
            at = end + 1;
            Match match = Line().Match(line.EndsWith('\r') ? line[..^1] : line);
            if (!match.Success || lines.Count == ReplyParser.MaxLines || (lines.Count != 0 && match.Groups["code"].Value != code.ToString(CultureInfo.InvariantCulture)))
                return (replies, ReplyParseStatus.Malformed);
            code = int.Parse(match.Groups["code"].Value, CultureInfo.InvariantCulture);
            string text = match.Groups["text"].Value;
            Match status = Status().Match(text);
            if (status.Success && status.Groups[1].Value == match.Groups["code"].Value[..1])
            {
                var found = new EnhancedCode((byte)(code / 100), ushort.Parse(status.Groups[2].Value, CultureInfo.InvariantCulture), ushort.Parse(status.Groups[3].Value, CultureInfo.InvariantCulture));
                if (lines.Count == 0 || found == enhanced)
                {
                    enhanced = found;
                    text = text[status.Length..];
                }
            }

            string decoded = Encoding.UTF8.GetString(Encoding.Latin1.GetBytes(text));
            lines.Add(string.Concat(decoded.Select(c => Encodings.IsPrintable(c) ? c : '?')));
            if (match.Groups["more"].Value == "-")
                continue;
            replies.Add(new(code, enhanced, string.Join('\n', lines)));
            lines = [];
            enhanced = default;
        }

        return (replies, ReplyParseStatus.Incomplete);
    }

    [GeneratedRegex(@"\A(?<code>[2-5][0-9][0-9])(?:(?<more>[ -])(?<text>.*))?\z", RegexOptions.Singleline)]
    private static partial Regex Line();

    [GeneratedRegex(@"\A([245])\.([0-9]{1,3})\.([0-9]{1,3})(?: |\z)")]
    private static partial Regex Status();
}

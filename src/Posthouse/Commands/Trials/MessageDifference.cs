using System.Globalization;
using System.Text;
using Posthouse.Server.Control;

namespace Posthouse.Commands.Trials;

/// <summary>Says line by line what a filter made of a message.</summary>
internal static class MessageDifference
{
    // Of larger ones only what begins and ends alike is found.
    private const long LargestTable = 4_000_000;
    private const int MostLines = 500;

    /// <summary>The lines that went (<c>-</c>) and came (<c>+</c>), each group behind the number of its first line afterwards; none when both are the same.</summary>
    internal static IReadOnlyList<string> Between(ReadOnlySpan<byte> before, ReadOnlySpan<byte> after)
    {
        if (before.SequenceEqual(after)) return [];
        string[] old = Lines(before), now = Lines(after);
        int head = 0, tail = 0;
        while (head < old.Length && head < now.Length && old[head] == now[head]) head++;
        while (tail < old.Length - head && tail < now.Length - head && old[^(tail + 1)] == now[^(tail + 1)]) tail++;
        List<string> result = [];
        Walk(old[head..^tail], now[head..^tail], head, result);
        if (result.Count <= MostLines) return result;
        int more = result.Count - MostLines;
        return [.. result.Take(MostLines), string.Create(CultureInfo.InvariantCulture, $"… and {more} lines more")];
    }

    private static void Walk(string[] old, string[] now, int offset, List<string> result)
    {
        int[,]? common = (old.Length + 1L) * (now.Length + 1L) <= LargestTable ? Table(old, now) : null;
        bool isWithin = false;
        for (int i = 0, j = 0; i < old.Length || j < now.Length;)
        {
            if (common is not null && i < old.Length && j < now.Length && old[i] == now[j])
            {
                (i, j, isWithin) = (i + 1, j + 1, false);
                continue;
            }
            if (!isWithin) result.Add(string.Create(CultureInfo.InvariantCulture, $"@@ line {offset + j + 1}"));
            isWithin = true;
            bool goes = i < old.Length && (j == now.Length || common is null || common[i + 1, j] >= common[i, j + 1]);
            result.Add(goes ? "-" + Printable(old[i++]) : "+" + Printable(now[j++]));
        }
    }

    // How long the longest common rest is, from each pair of lines on.
    private static int[,] Table(string[] old, string[] now)
    {
        int[,] common = new int[old.Length + 1, now.Length + 1];
        for (int i = old.Length - 1; i >= 0; i--)
            for (int j = now.Length - 1; j >= 0; j--)
                common[i, j] = old[i] == now[j] ? common[i + 1, j + 1] + 1 : Math.Max(common[i + 1, j], common[i, j + 1]);
        return common;
    }

    private static string[] Lines(ReadOnlySpan<byte> message)
    {
        string text = Encoding.Latin1.GetString(message);
        return (text.EndsWith("\r\n", StringComparison.Ordinal) ? text[..^2] : text).Split("\r\n");
    }

    private static string Printable(string line) => QueueLine.Visible(Encoding.UTF8.GetString(Encoding.Latin1.GetBytes(line)));
}

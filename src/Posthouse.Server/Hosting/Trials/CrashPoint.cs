using System.Globalization;
using System.Text;
using Posthouse.Server.Configuration;
using Posthouse.Server.Filtering;

namespace Posthouse.Server.Hosting.Trials;

/// <summary>When a filter on trial is killed.</summary>
/// <param name="Word">The event or phase, in the words of smtpd-filters(7) (<c>link-connect</c>, <c>data-line</c>, …), or <c>data-bulk</c>.</param>
/// <param name="Occurrence">Right after how many lines of that word: at least 1.</param>
public sealed record CrashPoint(string Word, int Occurrence)
{
    internal const string Bulk = "data-bulk";

    /// <summary>Whether every life of it ends so, each counted anew, and not just the first.</summary>
    public bool IsEveryTime { get; init; }

    /// <summary>Whether a line of this word is one of those that count. A filter that takes messages in chunks hears no lines of them: its chunks are meant, too.</summary>
    internal bool Covers(ReadOnlySpan<byte> word) =>
        Encoding.ASCII.GetString(word) is var text && (text == Word || (text == Bulk && Word == FilterWords.Of(FilterPhase.DataLine)));

    /// <summary>Reads <c>WORD</c> or <c>WORD:N</c>; null when that is no such word, or no number from 1.</summary>
    public static CrashPoint? Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        int colon = text.IndexOf(':', StringComparison.Ordinal);
        string word = colon < 0 ? text : text[..colon];
        int occurrence = 1;
        if (colon >= 0 && (!int.TryParse(text.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out occurrence) || occurrence < 1)) return null;
        return Words.Contains(word) ? new(word, occurrence) : null;
    }

    /// <summary>The words that there are.</summary>
    public static IReadOnlyList<string> Words { get; } =
    [
        .. Enumerable.Range(0, FilterWords.Events).Select(static index => FilterWords.Of((FilterEvent)index)),
        .. Enumerable.Range(0, FilterWords.Phases).Select(static index => FilterWords.Of((FilterPhase)index)),
        Bulk,
    ];
}

using System.Text.RegularExpressions;

namespace Posthouse.Server.Tables;

/// <summary>
/// Regular expressions, tried in their order. They are compiled once per load into automata without backtracking, so no
/// subject can make one slow; case never counts.
/// </summary>
internal sealed class RegexMatcher : EntryMatcher
{
    private readonly List<(Regex Pattern, int Index)> _patterns = [];

    public override string? Add(string key, int index)
    {
        if (!PosixPattern.TryTranslate(key, out string pattern, out string error))
            return error;
        try
        {
            const RegexOptions options = RegexOptions.NonBacktracking | RegexOptions.IgnoreCase | RegexOptions.CultureInvariant | RegexOptions.Singleline | RegexOptions.ExplicitCapture;
            _patterns.Add((new Regex(pattern, options), index));
            return null;
        }
        catch (Exception failure) when (failure is ArgumentException or NotSupportedException)
        {
            return $"is not a regular expression: {failure.Message}";
        }
    }

    public override int Find(ReadOnlySpan<char> key)
    {
        foreach ((Regex pattern, int index) in _patterns)
        {
            if (pattern.IsMatch(key))
                return index;
        }

        return -1;
    }
}

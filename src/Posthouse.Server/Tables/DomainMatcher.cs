namespace Posthouse.Server.Tables;

/// <summary>
/// Domains and patterns of domains. Names and <c>*.suffix</c> are found by hashing, the longest suffix first; only other
/// patterns are tried one by one, in their order.
/// </summary>
internal sealed class DomainMatcher : EntryMatcher
{
    private readonly Dictionary<string, int> _names = new(StringComparer.OrdinalIgnoreCase);
    private readonly Dictionary<string, int> _suffixes = new(StringComparer.OrdinalIgnoreCase);
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _nameOf;
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _suffixOf;
    private readonly List<(string Pattern, int Index)> _patterns = [];
    private int _any = -1;

    public DomainMatcher()
    {
        _nameOf = _names.GetAlternateLookup<ReadOnlySpan<char>>();
        _suffixOf = _suffixes.GetAlternateLookup<ReadOnlySpan<char>>();
    }

    public override string? Add(string key, int index)
    {
        if (key == "*")
            _any = index;
        else if (!key.Contains('*'))
            _names[key] = index;
        else if (key.StartsWith("*.", StringComparison.Ordinal) && key.LastIndexOf('*') == 0)
            _suffixes[key[1..]] = index;
        else
            _patterns.Add((key, index));
        return null;
    }

    public override int Find(ReadOnlySpan<char> key)
    {
        if (_nameOf.TryGetValue(key, out int index))
            return index;
        if (_suffixes.Count > 0)
        {
            // "*" may be empty, so ".example.org" itself would match; a domain never begins with a dot.
            for (int dot = key.IndexOf('.'); dot >= 0;)
            {
                if (_suffixOf.TryGetValue(key[dot..], out index))
                    return index;
                int next = key[(dot + 1)..].IndexOf('.');
                dot = next < 0 ? -1 : dot + 1 + next;
            }
        }

        foreach ((string pattern, int at) in _patterns)
        {
            if (Glob.IsMatch(pattern, key))
                return at;
        }

        return _any;
    }
}

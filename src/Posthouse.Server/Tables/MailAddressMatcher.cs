namespace Posthouse.Server.Tables;

/// <summary>
/// Mail addresses: <c>user@domain</c>, <c>user</c>, <c>@domain</c> (the domain may be a pattern), and <c>@</c> for all. The tag
/// of the address asked for is ignored, unless the entry has one itself. The most precise entry wins.
/// </summary>
internal sealed class MailAddressMatcher : EntryMatcher
{
    private readonly char _delimiter;
    private readonly Dictionary<string, int> _addresses = new(StringComparer.OrdinalIgnoreCase);
    private readonly Dictionary<string, int> _users = new(StringComparer.OrdinalIgnoreCase);
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _addressOf;
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _userOf;
    private readonly List<(string User, string Domain, int Index)> _patterns = [];
    private readonly DomainMatcher _domains = new();
    private int _any = -1;

    public MailAddressMatcher(char delimiter)
    {
        _delimiter = delimiter;
        _addressOf = _addresses.GetAlternateLookup<ReadOnlySpan<char>>();
        _userOf = _users.GetAlternateLookup<ReadOnlySpan<char>>();
    }

    public override string? Add(string key, int index)
    {
        int at = key.LastIndexOf('@');
        if (key == "@")
            _any = index;
        else if (at < 0)
            _users[key] = index;
        else if (at == 0)
            _domains.Add(key[1..], index);
        else if (at == key.Length - 1)
            _users[key[..at]] = index;
        else if (key.AsSpan(at).Contains('*'))
            _patterns.Add((key[..at], key[(at + 1)..], index));
        else
            _addresses[key] = index;
        return null;
    }

    public override int Find(ReadOnlySpan<char> key)
    {
        int at = key.LastIndexOf('@');
        ReadOnlySpan<char> user = at < 0 ? key : key[..at];
        ReadOnlySpan<char> domain = at < 0 ? [] : key[(at + 1)..];
        int tag = user.IndexOf(_delimiter);
        ReadOnlySpan<char> plain = tag > 0 ? user[..tag] : user;

        if (_addresses.Count > 0)
        {
            if (_addressOf.TryGetValue(key, out int index))
                return index;
            if (tag > 0 && at >= 0)
            {
                Span<char> untagged = key.Length <= 512 ? stackalloc char[key.Length] : new char[key.Length];
                plain.CopyTo(untagged);
                key[at..].CopyTo(untagged[tag..]);
                if (_addressOf.TryGetValue(untagged[..(tag + key.Length - at)], out index))
                    return index;
            }
        }

        foreach ((string name, string pattern, int index) in _patterns)
        {
            if ((name.AsSpan().Equals(user, StringComparison.OrdinalIgnoreCase) || name.AsSpan().Equals(plain, StringComparison.OrdinalIgnoreCase))
                && Glob.IsMatch(pattern, domain))
                return index;
        }

        if (_users.Count > 0 && (_userOf.TryGetValue(user, out int found) || _userOf.TryGetValue(plain, out found)))
            return found;
        int byDomain = domain.IsEmpty ? -1 : _domains.Find(domain);
        return byDomain >= 0 ? byDomain : _any;
    }
}

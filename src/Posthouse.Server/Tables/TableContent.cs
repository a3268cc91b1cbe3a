using Posthouse.Plugs;

namespace Posthouse.Server.Tables;

/// <summary>
/// A table's entries at one moment, indexed. Exact lookups go through a hash table; each kind of pattern is compiled once,
/// when it is first asked for, so that aliases never pay for being tried as regular expressions.
/// </summary>
public sealed class TableContent
{
    private readonly IReadOnlyList<TableEntry> _entries;
    private readonly Dictionary<string, int> _exact;
    private readonly Dictionary<string, int>? _exactCase;
    private readonly Func<EntryMatcher>[] _factories;
    private readonly EntryMatcher?[] _matchers = new EntryMatcher?[4];
    private readonly Action<TableEntry, string>? _ignored;
    private readonly Lock _compiling = new();
    private readonly string? _failure;
    private int _next = -1;

    /// <summary>Indexes the entries; of two with one key the later counts.</summary>
    /// <param name="kind">List or mapping.</param>
    /// <param name="entries">The entries; kept, not copied.</param>
    /// <param name="delimiter">What separates user and tag in mail addresses.</param>
    /// <param name="ignored">Told, once per load, of each entry that is no valid pattern for the service asked for, and why; such an entry matches nothing.</param>
    public TableContent(TableKind kind, IReadOnlyList<TableEntry> entries, char delimiter = '+', Action<TableEntry, string>? ignored = null)
    {
        ArgumentNullException.ThrowIfNull(entries);
        Kind = kind;
        _entries = entries;
        _ignored = ignored;
        _factories = [static () => new DomainMatcher(), static () => new NetworkMatcher(), () => new MailAddressMatcher(delimiter), static () => new RegexMatcher()];
        _exact = new(entries.Count, StringComparer.OrdinalIgnoreCase);
        for (int i = 0; i < entries.Count; i++)
        {
            // Names that differ by case alone are rare; only then a second index is worth its memory.
            if (_exact.TryGetValue(entries[i].Key, out int earlier) && entries[earlier].Key != entries[i].Key)
                _exactCase ??= new(StringComparer.Ordinal);
            _exact[entries[i].Key] = i;
        }

        for (int i = 0; _exactCase is not null && i < entries.Count; i++)
            _exactCase[entries[i].Key] = i;
    }

    private TableContent(string failure)
        : this(TableKind.Mapping, []) => _failure = failure;

    /// <summary>List or mapping.</summary>
    public TableKind Kind { get; }

    /// <summary>The entries, in their order.</summary>
    public IReadOnlyList<TableEntry> Entries => _entries;

    /// <summary>The content of a table that has none yet: it answers Error, for an access list that could not be read must not pass for an empty one.</summary>
    public static TableContent Unavailable(string failure) => new(failure);

    /// <summary>The value of the best entry for a key (null value in a list).</summary>
    public TableResult Lookup(TableService service, string key)
    {
        if (_failure is not null)
            return TableResult.Error(_failure);
        int index = Find(service, key);
        return index < 0 ? TableResult.NotFound : TableResult.Found(_entries[index].Value);
    }

    /// <summary>Whether an entry matches a key.</summary>
    public TableResult Check(TableService service, string key) =>
        _failure is not null ? TableResult.Error(_failure) : Find(service, key) < 0 ? TableResult.NotFound : TableResult.Found();

    /// <summary>Whether an address is in one of the networks; null is the local socket.</summary>
    public TableResult Check(NetAddress? address)
    {
        if (_failure is not null)
            return TableResult.Error(_failure);
        NetworkMatcher networks = (NetworkMatcher)Matcher(MatcherOf(TableService.NetAddr));
        return networks.Find(address) < 0 ? TableResult.NotFound : TableResult.Found();
    }

    /// <summary>The key of the next entry, round robin.</summary>
    public TableResult Fetch()
    {
        if (_failure is not null)
            return TableResult.Error(_failure);
        return _entries.Count == 0
            ? TableResult.NotFound
            : TableResult.Found(_entries[(int)((uint)Interlocked.Increment(ref _next) % (uint)_entries.Count)].Key);
    }

    /// <summary>What is wrong with the entries for a service: those that match nothing, and why.</summary>
    public IReadOnlyList<(TableEntry Entry, string Error)> Problems(TableService service)
    {
        List<(TableEntry, string)> problems = [];
        int kind = MatcherOf(service);
        if (kind >= 0)
            Compile(kind, (entry, error) => problems.Add((entry, error)));
        return problems;
    }

    private static int MatcherOf(TableService service) => service switch
    {
        TableService.Domain => 0,
        TableService.NetAddr => 1,
        TableService.MailAddr => 2,
        TableService.Regex => 3,
        _ => -1,
    };

    private int Find(TableService service, string key)
    {
        int kind = MatcherOf(service);
        if (kind >= 0)
            return Matcher(kind).Find(key);
        int index;
        if (_exactCase is not null && _exactCase.TryGetValue(key, out index))
            return index;
        return _exact.TryGetValue(key, out index) ? index : -1;
    }

    private EntryMatcher Matcher(int kind)
    {
        EntryMatcher? matcher = Volatile.Read(ref _matchers[kind]);
        if (matcher is not null)
            return matcher;
        lock (_compiling)
        {
            if (_matchers[kind] is null)
                Volatile.Write(ref _matchers[kind], Compile(kind, _ignored));
            return _matchers[kind]!;
        }
    }

    private EntryMatcher Compile(int kind, Action<TableEntry, string>? ignored)
    {
        EntryMatcher matcher = _factories[kind]();
        for (int i = 0; i < _entries.Count; i++)
        {
            if (matcher.Add(_entries[i].Key, i) is { } error)
                ignored?.Invoke(_entries[i], error);
        }

        return matcher;
    }
}

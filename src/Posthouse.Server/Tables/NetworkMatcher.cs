namespace Posthouse.Server.Tables;

/// <summary>
/// Addresses, networks and the word <c>local</c>. For each prefix length that occurs there is one hash table of masked
/// addresses, tried from the longest to the shortest: a list of ten thousand addresses costs one lookup.
/// </summary>
internal sealed class NetworkMatcher : EntryMatcher
{
    private readonly List<(int Prefix, Dictionary<UInt128, int> Networks)> _v4 = [];
    private readonly List<(int Prefix, Dictionary<UInt128, int> Networks)> _v6 = [];
    private int _local = -1;

    public override string? Add(string key, int index)
    {
        if (key.Equals("local", StringComparison.OrdinalIgnoreCase))
        {
            _local = index;
            return null;
        }

        if (!NetAddress.TryParseNetwork(key, out NetAddress network, out int prefix))
            return "is not an address or network";
        List<(int Prefix, Dictionary<UInt128, int> Networks)> family = network.IsV4 ? _v4 : _v6;
        int at = family.FindIndex(level => level.Prefix <= prefix);
        if (at < 0)
            at = family.Count;
        if (at == family.Count || family[at].Prefix != prefix)
            family.Insert(at, (prefix, []));
        family[at].Networks[network.Bits] = index;
        return null;
    }

    public override int Find(ReadOnlySpan<char> key)
    {
        if (key.Equals("local", StringComparison.OrdinalIgnoreCase))
            return _local;
        return NetAddress.TryParse(key, out NetAddress address) ? Find(address) : -1;
    }

    /// <summary>The narrowest network that holds the address (null: the local socket), or -1.</summary>
    public int Find(NetAddress? address)
    {
        if (address is not { } client)
            return _local;
        foreach ((int prefix, Dictionary<UInt128, int> networks) in client.IsV4 ? _v4 : _v6)
        {
            if (networks.TryGetValue(client.Mask(prefix).Bits, out int index))
                return index;
        }

        return -1;
    }
}

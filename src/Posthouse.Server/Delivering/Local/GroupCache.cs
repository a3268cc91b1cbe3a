using System.Collections.Concurrent;
using Posthouse.Server.Model;
using Posthouse.Server.Native;

namespace Posthouse.Server.Delivering.Local;

/// <summary>Remembers the groups of users for some seconds: the name service reads files, or asks a network, for each question.</summary>
internal sealed class GroupCache(TimeProvider time)
{
    private static readonly TimeSpan s_life = TimeSpan.FromSeconds(5);
    private const int Bound = 4096;

    private readonly ConcurrentDictionary<(string Name, uint Gid), (uint[] Groups, long Since)> _known = new();

    /// <summary>The groups of a user; may block for as long as the name service does.</summary>
    internal uint[] Of(UserAccount account)
    {
        (string, uint) key = (account.Name, account.Gid);
        if (_known.TryGetValue(key, out (uint[] Groups, long Since) known) && time.GetElapsedTime(known.Since) < s_life) return known.Groups;
        if (_known.Count >= Bound) _known.Clear();
        uint[] groups = SystemAccounts.Groups(account);
        _known[key] = (groups, time.GetTimestamp());
        return groups;
    }
}

using System.Collections.Concurrent;
using Posthouse.Server.Configuration;
using Posthouse.Server.Model;

namespace Posthouse.Server.Delivering.Local;

/// <summary>
/// Remembers users for a second: a busy mailbox would otherwise ask the system's name service, which may read files or ask a network,
/// twice for each message. Failures are not remembered.
/// </summary>
internal sealed class AccountCache(Func<LocalAction, string, CancellationToken, ValueTask<AccountAnswer>> lookup, TimeProvider time)
{
    private static readonly TimeSpan s_life = TimeSpan.FromSeconds(1);
    private const int Bound = 4096;

    private readonly ConcurrentDictionary<(string Userbase, string User), (UserAccount? Account, long Since)> _known = new();

    /// <summary>Forgets all.</summary>
    internal void Clear() => _known.Clear();

    internal async ValueTask<AccountAnswer> FindAsync(LocalAction action, string user, CancellationToken cancellation)
    {
        (string, string) key = (action.Userbase.Name, user);
        if (_known.TryGetValue(key, out (UserAccount? Account, long Since) known) && time.GetElapsedTime(known.Since) < s_life) return new(known.Account);
        AccountAnswer answer = await lookup(action, user, cancellation);
        if (answer.Fault is not null) return answer;
        if (_known.Count >= Bound) _known.Clear();
        _known[key] = (answer.Account, time.GetTimestamp());
        return answer;
    }
}

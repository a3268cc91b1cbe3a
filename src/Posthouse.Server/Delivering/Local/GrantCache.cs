using System.Collections.Concurrent;
using Posthouse.Plugs;

namespace Posthouse.Server.Delivering.Local;

/// <summary>
/// Remembers grants for some seconds, so that a busy mailbox costs the parent nothing per message, and lets those who
/// want the same one ask once. What a grant holds for is known only from the grants of its action: until there is one, the
/// addresses count.
/// </summary>
internal sealed class GrantCache(TimeProvider time)
{
    private static readonly TimeSpan s_life = TimeSpan.FromSeconds(10);
    private const int Bound = 4096;

    private readonly ConcurrentDictionary<string, GrantScope> _scopes = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<Key, Entry> _entries = new();

    /// <summary>The grant for an envelope, remembered or by <paramref name="ask"/>, which is not called with the caller's cancellation because others may wait for it too.</summary>
    internal async ValueTask<GrantAnswer> GetAsync(Envelope envelope, bool junk, Func<Task<GrantAnswer>> ask, CancellationToken cancellation)
    {
        while (true)
        {
            GrantScope scope = _scopes.GetValueOrDefault(envelope.Action, GrantScope.Addresses);
            if (envelope.Source is not null) return await ask().WaitAsync(cancellation);
            Key key = KeyOf(envelope, junk, scope);
            if (!_entries.TryGetValue(key, out Entry? entry) || time.GetElapsedTime(entry.Since) >= s_life)
            {
                Entry made = new(new(ask), time.GetTimestamp());
                if (_entries.Count >= Bound) _entries.Clear();
                entry = entry is null ? _entries.GetOrAdd(key, made) : _entries.TryUpdate(key, made, entry) ? made : null;
                if (entry is null) continue;
            }
            GrantAnswer? answer = null;
            try
            {
                answer = await entry.Answer.Value.WaitAsync(cancellation);
            }
            finally
            {
                if (entry.Answer.Value.IsCompleted && answer?.Grant is null) _entries.TryRemove(new(key, entry));
            }
            if (answer.Grant is not { } grant) return answer;
            if ((grant.Scope & ~scope) != 0)
            {
                // It holds for less than was thought (after a reload), so perhaps not for this envelope.
                _entries.TryRemove(new(key, entry));
                _scopes[envelope.Action] = grant.Scope & GrantScope.Addresses;
                if ((grant.Scope & GrantScope.Once) != 0) return await ask().WaitAsync(cancellation);
                continue;
            }
            if (grant.Scope != scope)
            {
                _scopes[envelope.Action] = grant.Scope;
                _entries.TryAdd(KeyOf(envelope, junk, grant.Scope), entry);
            }
            return answer;
        }
    }

    /// <summary>Forgets one grant, which turned out to be void.</summary>
    internal void Forget(Envelope envelope, bool junk, FileGrant grant)
    {
        foreach (GrantScope scope in (GrantScope[])[grant.Scope, GrantScope.Addresses])
        {
            Key key = KeyOf(envelope, junk, scope);
            if (_entries.TryGetValue(key, out Entry? entry) && entry.Answer is { IsValueCreated: true, Value: { IsCompletedSuccessfully: true, Result.Grant: { } known } }
                && known.Worker == grant.Worker && known.Target == grant.Target) _entries.TryRemove(new(key, entry));
        }
    }

    /// <summary>Forgets everything: the configuration is another.</summary>
    internal void Clear()
    {
        _scopes.Clear();
        _entries.Clear();
    }

    private static Key KeyOf(Envelope envelope, bool junk, GrantScope scope) => new(envelope.Action, envelope.User, envelope.Extension, junk,
        scope.HasFlag(GrantScope.Sender) ? envelope.Sender : null,
        scope.HasFlag(GrantScope.Recipient) ? envelope.Recipient : null,
        scope.HasFlag(GrantScope.Destination) ? envelope.Destination : null);

    private readonly record struct Key(string Action, string? User, string? Extension, bool Junk, string? Sender, string? Recipient, string? Destination);

    private sealed record Entry(Lazy<Task<GrantAnswer>> Answer, long Since);
}

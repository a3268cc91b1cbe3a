using System.Collections.Concurrent;
using Posthouse.Server.Processes;

namespace Posthouse.Server.Delivering.Local;

/// <summary>
/// Spares a busy server from asking the parent for a .forward with each recipient: in a second with many recipients (or after one),
/// what was read less than a second ago is good enough. With few, every change is seen at once. Failures are not kept.
/// </summary>
internal sealed class ForwardCache(TimeProvider time)
{
    /// <summary>From how many questions in a second on answers are used again.</summary>
    internal const int Busy = 50;

    private static readonly TimeSpan s_second = TimeSpan.FromSeconds(1);
    private const int Bound = 4096;

    private readonly ConcurrentDictionary<(string Action, string User), (ForwardFile File, long Since)> _kept = new();
    private readonly Lock _counting = new();
    private long _begin = time.GetTimestamp();
    private int _questions;
    private int _before;

    /// <summary>An answer that is good enough; else null.</summary>
    internal ForwardFile? Find(string action, string user) =>
        IsBusy() && _kept.TryGetValue((action, user), out (ForwardFile File, long Since) kept) && time.GetElapsedTime(kept.Since) < s_second ? kept.File : null;

    /// <summary>Keeps an answer to a question that was asked at <paramref name="since"/>.</summary>
    internal void Keep(string action, string user, ForwardFile file, long since)
    {
        if (file.Fault is not null) return;
        if (_kept.Count >= Bound) _kept.Clear();
        _kept[(action, user)] = (file, since);
    }

    /// <summary>Forgets all.</summary>
    internal void Clear() => _kept.Clear();

    private bool IsBusy()
    {
        lock (_counting)
        {
            TimeSpan elapsed = time.GetElapsedTime(_begin);
            if (elapsed >= s_second)
            {
                (_before, _questions) = (elapsed < 2 * s_second ? _questions : 0, 0);
                _begin = time.GetTimestamp();
            }
            return ++_questions > Busy || _before > Busy;
        }
    }
}

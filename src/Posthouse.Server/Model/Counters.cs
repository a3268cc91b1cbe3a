using System.Collections.Concurrent;

namespace Posthouse.Server.Model;

/// <summary>The server's counters by name, as <c>show stats</c> prints them (<c>smtp.session</c>, <c>queue.bounce</c>, …). Thread-safe.</summary>
public sealed class Counters
{
    private readonly ConcurrentDictionary<string, Counter> _counters = new(StringComparer.Ordinal);

    /// <summary>The counter of that name, made on first use. Keep it: a hot path looks nothing up.</summary>
    public Counter this[string name] => _counters.GetOrAdd(name, static _ => new Counter());

    /// <summary>All names and values, sorted by name.</summary>
    public IReadOnlyList<KeyValuePair<string, long>> Snapshot() =>
        [.. _counters.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => KeyValuePair.Create(pair.Key, pair.Value.Value))];
}

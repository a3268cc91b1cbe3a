using Posthouse.Server.Configuration;
using Posthouse.Server.Processes;

namespace Posthouse.Server.Filtering;

/// <summary>
/// The filter programs that run. Configurations share them: one that did not change is kept through a reload, one that did runs beside its successor
/// until the last session that uses it has ended.
/// </summary>
public sealed class FilterHosts : IAsyncDisposable
{
    private readonly IPlugStarter _starter;
    private readonly Lock _lock = new();
    private readonly List<Entry> _entries = [];

    /// <summary>None yet; they will be started by <paramref name="starter"/>.</summary>
    public FilterHosts(IPlugStarter starter) => _starter = starter;

    /// <summary>How all of them are, in the order of their start.</summary>
    public IReadOnlyList<FilterStatus> Report()
    {
        Entry[] entries;
        lock (_lock) entries = [.. _entries];
        return [.. entries.SelectMany(static entry => entry.Host.Instances).Select(static instance => instance.Report())];
    }

    /// <summary>The host of a program, started if it does not run; to be given back by <see cref="ReleaseAsync"/>.</summary>
    internal FilterHost Acquire(FilterProcess process, FilterEnvironment environment)
    {
        lock (_lock)
        {
            HostKey key = KeyOf(process, environment);
            Entry? entry = _entries.Find(entry => entry.Key == key);
            if (entry is null)
            {
                entry = new(key, new(process, _starter, environment));
                _entries.Add(entry);
                entry.Host.Start();
            }
            entry.Users++;
            return entry.Host;
        }
    }

    /// <summary>Somebody does not need a host any more; the last one ends it.</summary>
    internal Task ReleaseAsync(FilterHost host)
    {
        lock (_lock)
        {
            if (_entries.Find(entry => entry.Host == host) is not { } entry || --entry.Users > 0) return Task.CompletedTask;
            _entries.Remove(entry);
        }
        return host.StopAsync();
    }

    /// <summary>Ends all.</summary>
    public async ValueTask DisposeAsync()
    {
        Entry[] entries;
        lock (_lock)
        {
            entries = [.. _entries];
            _entries.Clear();
        }
        await Task.WhenAll(entries.Select(static entry => entry.Host.StopAsync()));
    }

    // Where it stands in the file changes nothing; what it was told in its handshake does.
    private static HostKey KeyOf(FilterProcess process, FilterEnvironment environment) =>
        new(process with { Command = process.Command with { Position = default } }, environment.Admd, environment.SessionTimeout);

    private readonly record struct HostKey(FilterProcess Process, string Admd, TimeSpan SessionTimeout);

    private sealed class Entry(HostKey key, FilterHost host)
    {
        public HostKey Key => key;

        public FilterHost Host => host;

        public int Users { get; set; }
    }
}

using System.Collections.Concurrent;
using System.Threading.Channels;
using Posthouse.Server.Model;
using Posthouse.Server.Processes;

namespace Posthouse.Tests.Filtering;

/// <summary>Starts filters that the test plays.</summary>
internal sealed class PlayedFilters : IPlugStarter
{
    private readonly ConcurrentDictionary<string, Channel<FilterSide>> _started = new();
    private readonly ConcurrentBag<FilterSide> _all = [];
    private int _id = 1000;

    /// <summary>Why nothing can be started; null: it can.</summary>
    public string? Failure { get; set; }

    public int Starts => _id - 1000;

    public ValueTask<PlugStart> StartAsync(string name, PlugCommand command, int instance, CancellationToken cancellation)
    {
        int id = Interlocked.Increment(ref _id);
        if (Failure is not null) return new(new PlugStart(null, Failure));
        FilterSide side = new(id, instance);
        _all.Add(side);
        Of(name).Writer.TryWrite(side);
        return new(new PlugStart(side, null));
    }

    /// <summary>All of them end, as filters do whose input ends.</summary>
    public void End()
    {
        Failure = "the test is over";
        foreach (FilterSide side in _all) side.Die();
    }

    /// <summary>The next life of a filter.</summary>
    public async Task<FilterSide> NextAsync(string name = "f") => await Of(name).Reader.ReadAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(60));

    private Channel<FilterSide> Of(string name) => _started.GetOrAdd(name, static _ => System.Threading.Channels.Channel.CreateUnbounded<FilterSide>());
}

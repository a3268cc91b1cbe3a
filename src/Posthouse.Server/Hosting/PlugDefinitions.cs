using Posthouse.Server.Configuration;
using Posthouse.Server.Model;
using Posthouse.Server.Processes;

namespace Posthouse.Server.Hosting;

/// <summary>
/// The plugs that the engine may have started: those of the configuration in force, of one that is being prepared, and the last of earlier ones, whose sessions may still
/// need them started again.
/// </summary>
internal sealed class PlugDefinitions
{
    /// <summary>How many of earlier configurations are kept.</summary>
    internal const int Earlier = 256;

    private readonly Lock _changing = new();
    private readonly LinkedList<Definition> _earlier = [];
    private IReadOnlyList<Definition> _inForce = [];
    private IReadOnlyList<Definition> _prepared = [];

    /// <summary>How many processes they all are, once each.</summary>
    internal int Processes
    {
        get
        {
            lock (_changing) return All().GroupBy(static each => (each.Name, each.Fingerprint)).Sum(static same => same.Max(static each => each.Command.Instances));
        }
    }

    /// <summary>The plugs of a configuration, by name.</summary>
    internal static IEnumerable<KeyValuePair<string, PlugCommand>> Of(ServerConfiguration configuration) =>
        configuration.FilterProcesses.Select(static process => KeyValuePair.Create(process.Key, process.Value.Command));

    /// <summary>A configuration is to be in force, perhaps.</summary>
    internal void Offer(IEnumerable<KeyValuePair<string, PlugCommand>> plugs)
    {
        Definition[] definitions = [.. plugs.Select(static plug => new Definition(plug.Key, Convert.ToHexString(PlugOrder.FingerprintOf(plug.Value)), plug.Value))];
        lock (_changing)
        {
            Keep(_prepared);
            _prepared = definitions;
        }
    }

    /// <summary>What was offered is in force.</summary>
    internal void Keep()
    {
        lock (_changing)
        {
            Keep(_inForce);
            (_inForce, _prepared) = (_prepared, []);
        }
    }

    /// <summary>What was offered is not in force; an engine that took long to say so may have some of it all the same.</summary>
    internal void GiveUp()
    {
        lock (_changing)
        {
            Keep(_prepared);
            _prepared = [];
        }
    }

    /// <summary>A new engine has no sessions of earlier configurations.</summary>
    internal void ForgetEarlier()
    {
        lock (_changing) _earlier.Clear();
    }

    /// <summary>What is to be run by an order; null when no configuration has that.</summary>
    internal PlugCommand? Find(PlugOrder order)
    {
        string fingerprint = Convert.ToHexString(order.Fingerprint.Span);
        lock (_changing)
        {
            return All().FirstOrDefault(each => each.Name == order.Name && each.Fingerprint == fingerprint && order.Instance >= 0 && order.Instance < each.Command.Instances)?.Command;
        }
    }

    private IEnumerable<Definition> All() => _inForce.Concat(_prepared).Concat(_earlier);

    private void Keep(IReadOnlyList<Definition> definitions)
    {
        foreach (Definition definition in definitions)
        {
            if (_earlier.FirstOrDefault(each => each.Name == definition.Name && each.Fingerprint == definition.Fingerprint && each.Command.Instances == definition.Command.Instances) is { } same) _earlier.Remove(same);
            _earlier.AddLast(definition);
            if (_earlier.Count > Earlier) _earlier.RemoveFirst();
        }
    }

    private sealed record Definition(string Name, string Fingerprint, PlugCommand Command);
}

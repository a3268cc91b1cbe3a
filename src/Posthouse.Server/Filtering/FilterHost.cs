using Posthouse.Server.Configuration;
using Posthouse.Server.Processes;

namespace Posthouse.Server.Filtering;

/// <summary>A program that filters run in, in as many copies as its configuration wants. A session stays with one of them.</summary>
internal sealed class FilterHost
{
    private readonly FilterInstance[] _instances;

    internal FilterHost(FilterProcess process, IPlugStarter starter, FilterEnvironment environment)
    {
        Process = process;
        Starter = starter;
        Environment = environment;
        _instances = new FilterInstance[process.Command.Instances];
        for (int i = 0; i < _instances.Length; i++) _instances[i] = new(this, i);
    }

    internal FilterProcess Process { get; }

    internal IPlugStarter Starter { get; }

    internal FilterEnvironment Environment { get; }

    internal IReadOnlyList<FilterInstance> Instances => _instances;

    internal void Start()
    {
        foreach (FilterInstance instance in _instances) instance.Start();
    }

    internal Task StopAsync() => Task.WhenAll(_instances.Select(static instance => instance.StopAsync()));

    /// <summary>The link of a session that begins.</summary>
    internal FilterLink Link(SessionFilters session)
    {
        FilterInstance instance = _instances[session.Number % (ulong)_instances.Length];
        FilterLink link = new(instance, session);
        instance.AddSession(link);
        return link;
    }
}

using Posthouse.Server.Configuration;
using Posthouse.Server.Tables;

namespace Posthouse.Server.Filtering;

/// <summary>The filters of a listener in their order, ready for sessions. Immutable; the programs behind it are started and kept by <see cref="FilterHosts"/>.</summary>
public sealed class FilterChain
{
    private FilterChain(ChainMember[] members, FilterHost[] hosts, FilterEnvironment environment)
    {
        Members = members;
        Hosts = hosts;
        Environment = environment;
    }

    /// <summary>Its members in order.</summary>
    internal ChainMember[] Members { get; }

    /// <summary>The programs of its members, each once.</summary>
    internal FilterHost[] Hosts { get; }

    internal FilterEnvironment Environment { get; }

    /// <summary>Makes the chain of a filter, be it one or a chain.</summary>
    /// <param name="filter">The filter of a listener.</param>
    /// <param name="tables">The tables of its builtin filters; must outlive the chain.</param>
    /// <param name="host">Gives the host of a program.</param>
    /// <param name="environment">What filters need of the server.</param>
    internal static FilterChain Create(FilterDefinition filter, TableSet tables, Func<FilterProcess, FilterHost> host, FilterEnvironment environment)
    {
        List<FilterHost> hosts = [];
        List<ChainMember> members = [];
        foreach (FilterDefinition member in filter is FilterDefinition.Chain chain ? [.. chain.Members] : (FilterDefinition[])[filter])
        {
            switch (member)
            {
                case FilterDefinition.Builtin builtin:
                    members.Add(new(member.Name, new BuiltinFilter(builtin, tables), -1));
                    break;
                case FilterDefinition.Program program:
                    FilterHost found = host(program.Process);
                    if (!hosts.Contains(found)) hosts.Add(found);
                    members.Add(new(member.Name, null, hosts.IndexOf(found)));
                    break;
            }
        }
        return new([.. members], [.. hosts], environment);
    }

    /// <summary>Begins the conversation of a session with its filters.</summary>
    /// <param name="session">The session's id: 16 hex digits.</param>
    public SessionFilters Begin(string session) => new(this, session);

    /// <summary>One filter: builtin, or the program of this index in <see cref="Hosts"/>.</summary>
    internal readonly record struct ChainMember(string Name, BuiltinFilter? Builtin, int Host);
}

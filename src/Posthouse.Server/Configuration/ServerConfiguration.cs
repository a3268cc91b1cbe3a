using System.Collections.Frozen;
using System.Collections.Immutable;
using System.Net;
using Posthouse.Server.Tables;

namespace Posthouse.Server.Configuration;

/// <summary>
/// What an smtpd.conf says, checked and complete: every default is filled in, every reference resolved. Immutable. One made with
/// <c>new</c> has the language's defaults and no listeners, actions or rules.
/// </summary>
public sealed record ServerConfiguration
{
    /// <summary>The name that the server gives itself: greeting, Received, default domain.</summary>
    public string ServerName { get; init; } = "localhost";

    /// <summary>The authservid told to filters (<c>admd</c>); by default <see cref="ServerName"/>.</summary>
    public string Admd { get => field ?? ServerName; init; }

    /// <summary>The network listeners, in file order.</summary>
    public ImmutableArray<ListenerConfiguration> Listeners { get; init; } = [];

    /// <summary><c>listen on socket</c>: local submission. It exists even when no statement names it.</summary>
    public SocketListenerConfiguration Socket { get; init; } = new();

    /// <summary>The actions by name.</summary>
    public FrozenDictionary<string, DeliveryAction> Actions { get; init; } = FrozenDictionary<string, DeliveryAction>.Empty;

    /// <summary>The match statements in file order; the first whose criteria all hold decides.</summary>
    public ImmutableArray<MatchRule> Rules { get; init; } = [];

    /// <summary>Every table by name: declared (<c>aliases</c>), anonymous (<c>&lt;dynamic:1&gt;</c>), and built in (<c>&lt;localhost&gt;</c>).</summary>
    public FrozenDictionary<string, TableDefinition> Tables { get; init; } =
        TableDefinition.BuiltIn.ToFrozenDictionary(table => table.Name, StringComparer.Ordinal);

    /// <summary>The filters by name.</summary>
    public FrozenDictionary<string, FilterDefinition> Filters { get; init; } = FrozenDictionary<string, FilterDefinition>.Empty;

    /// <summary>The programs that filters run in, by name; that of a <c>filter NAME proc-exec</c> has the filter's name.</summary>
    public FrozenDictionary<string, FilterProcess> FilterProcesses { get; init; } = FrozenDictionary<string, FilterProcess>.Empty;

    /// <summary>The certificates by name (lower case).</summary>
    public FrozenDictionary<string, PkiConfiguration> Pki { get; init; } = FrozenDictionary<string, PkiConfiguration>.Empty;

    /// <summary>The bundles of authorities by name (lower case).</summary>
    public FrozenDictionary<string, CaConfiguration> Authorities { get; init; } = FrozenDictionary<string, CaConfiguration>.Empty;

    /// <summary>Sender rewriting; null without <c>srs key</c>.</summary>
    public SrsConfiguration? Srs { get; init; }

    /// <summary>After how much time in the queue a sender is warned: one to four steps, ascending.</summary>
    public ImmutableArray<TimeSpan> WarnIntervals { get; init; } = [TimeSpan.FromHours(4)];

    /// <summary>The wrappers of <c>mda wrapper</c>: name to command, in which <c>%{mda}</c> stands for the wrapped one.</summary>
    public FrozenDictionary<string, string> Wrappers { get; init; } = FrozenDictionary<string, string>.Empty;

    /// <summary>Limits of local delivery.</summary>
    public MdaLimits Mda { get; init; } = new();

    /// <summary>Limits of relaying.</summary>
    public MtaConfiguration Mta { get; init; } = new();

    /// <summary>The queue.</summary>
    public QueueConfiguration Queue { get; init; } = new();

    /// <summary>The scheduler.</summary>
    public SchedulerConfiguration Scheduler { get; init; } = new();

    /// <summary>What holds for every SMTP session.</summary>
    public SmtpConfiguration Smtp { get; init; } = new();

    /// <summary>The name servers to ask (<c>resolver</c>); empty: the system's.</summary>
    public ImmutableArray<IPEndPoint> Resolvers { get; init; } = [];

    /// <summary>What this configuration uses and this version of the server does not honour.</summary>
    public ImmutableArray<UnsupportedFeature> UnsupportedFeatures { get; init; } = [];
}

using System.Collections.Frozen;
using System.Collections.Immutable;
using Posthouse.Server.Model;

namespace Posthouse.Server.Configuration;

/// <summary>The end: what can be resolved only when everything is read.</summary>
internal sealed partial class StatementParser
{
    private readonly List<UnsupportedFeature> _unsupported = [];

    private void Unsupported(SourcePosition position, string what)
    {
        if (!_failed)
            _unsupported.Add(new(position, what));
    }

    private ServerConfiguration? Finish()
    {
        if (!_sawMatch && !_diagnostics.IsFull)
            Error(_token.Position, "no rules: expected at least one match statement");
        FrozenDictionary<string, PkiConfiguration> pki = FinishPki();
        ImmutableArray<ListenerConfiguration> listeners = [.. _listeners.Select(each => FinishListener(each.Listener, each.Pki, each.Ca, pki))];
        FrozenDictionary<string, DeliveryAction> actions =
            _actions.ToFrozenDictionary(pair => pair.Key, pair => FinishAction(pair.Value, pki), StringComparer.Ordinal);
        if (_diagnostics.HasErrors)
            return null;

        string serverName = _environment.ServerName;
        return new()
        {
            ServerName = serverName,
            Admd = _admd ?? serverName,
            Listeners = listeners,
            Socket = _socket ?? new(),
            Actions = actions,
            Rules = [.. _rules.Select(rule => new MatchRule([.. rule.Criteria], rule.Action is null ? null : actions[rule.Action]) { Position = rule.Position })],
            Tables = _tables.ToFrozenDictionary(StringComparer.Ordinal),
            Filters = _filters.ToFrozenDictionary(StringComparer.Ordinal),
            FilterProcesses = _processes.ToFrozenDictionary(StringComparer.Ordinal),
            Pki = pki,
            Authorities = _authorities.ToFrozenDictionary(StringComparer.Ordinal),
            Srs = _srsKey is null ? null : new(_srsKey) { BackupKey = _srsBackupKey, Ttl = _srsTtl },
            WarnIntervals = _warnIntervals is null ? new ServerConfiguration().WarnIntervals : [.. _warnIntervals],
            Wrappers = _wrappers.ToFrozenDictionary(StringComparer.Ordinal),
            Mda = _mda,
            Mta = new()
            {
                MaxDeferred = _maxDeferred ?? new MtaConfiguration().MaxDeferred,
                Limits = _mta,
                DomainLimits = _domainLimits.ToFrozenDictionary(StringComparer.OrdinalIgnoreCase),
            },
            Queue = _queue,
            Scheduler = _scheduler,
            Smtp = _smtp,
            Resolvers = [.. _resolvers],
            UnsupportedFeatures = [.. _unsupported],
        };
    }

    private FrozenDictionary<string, PkiConfiguration> FinishPki()
    {
        var finished = new Dictionary<string, PkiConfiguration>(StringComparer.Ordinal);
        foreach ((string name, PkiDraft draft) in _pki)
        {
            if (draft.Certificate is null && !draft.IsBroken)
                Error(draft.Position, $"pki {Quote(name)} has no certificate: expected pki {name} cert");
            if (draft.Key is null && !draft.IsBroken)
                Error(draft.Position, $"pki {Quote(name)} has no key: expected pki {name} key");
            finished.Add(name, new(name, draft.Certificate ?? "", draft.Key ?? "", draft.Dhe) { Position = draft.Position });
        }
        return finished.ToFrozenDictionary(StringComparer.Ordinal);
    }

    private ListenerConfiguration FinishListener(ListenerConfiguration listener, List<Token> names, Token? ca, FrozenDictionary<string, PkiConfiguration> pki) =>
        listener with
        {
            Pki = [.. names.Select(name => pki.GetValueOrDefault(name.Text)).OfType<PkiConfiguration>().Distinct()],
            Authority = ca is { } name ? _authorities.GetValueOrDefault(name.Text) : null,
        };

    private DeliveryAction FinishAction(DeliveryAction action, FrozenDictionary<string, PkiConfiguration> pki)
    {
        if (action is not RelayAction relay || !_relayCertificates.TryGetValue(action.Name, out (Token? Pki, Token? Ca) names))
            return action;
        if (names.Pki is { } pkiName)
        {
            if (pki.TryGetValue(pkiName.Text, out PkiConfiguration? found))
                relay = relay with { Pki = found };
            else
                Error(pkiName.Position, $"unknown pki {pkiName.Describe()}: expected a pki statement of that name");
        }
        if (names.Ca is { } caName)
        {
            if (_authorities.TryGetValue(caName.Text, out CaConfiguration? found))
                relay = relay with { Authority = found };
            else
                Error(caName.Position, $"unknown ca {caName.Describe()}: expected a ca statement of that name");
        }
        return relay;
    }
}

using Posthouse.Plugs;
using Posthouse.Server.Configuration;
using Posthouse.Server.Tables;

namespace Posthouse.Server.Rules;

/// <summary>A criterion with its table looked up beforehand.</summary>
internal sealed class RuleCriterion
{
    private static readonly TableResult s_holds = TableResult.Found();
    private static readonly TableResult s_fails = TableResult.NotFound;

    private readonly MatchSubject _subject;
    private readonly TableService _service;
    private readonly ITable? _table;
    private readonly ContentTable? _networks;

    public RuleCriterion(MatchCriterion criterion, TableSet tables)
    {
        _subject = criterion.Subject;
        _service = criterion.Service;
        IsNegated = criterion.Negated;
        if (criterion.Table is not null)
        {
            _table = tables[criterion.Table];
            _networks = _service == TableService.NetAddr ? _table as ContentTable : null;
            TableName = criterion.Table.Name;
        }
    }

    public bool IsNegated { get; }

    public string TableName { get; } = "";

    /// <summary>
    /// Whether this can hold at all; when not, its rule is passed over whatever the negation. A reverse name that does not
    /// exist matches no table, and what expansion made has no socket and no reverse name.
    /// </summary>
    public bool Applies(SessionContext session, bool isInternal) => _subject switch
    {
        MatchSubject.FromSocket => !isInternal,
        MatchSubject.FromRdns => !isInternal && (_table is null || session.ReverseName is not null),
        _ => true,
    };

    /// <summary>Found when it holds, before negation.</summary>
    public ValueTask<TableResult> EvaluateAsync(SessionContext session, RuleDestination destination, bool isInternal, CancellationToken cancellation)
    {
        switch (_subject)
        {
            case MatchSubject.FromAny or MatchSubject.ForAny:
                return new(s_holds);
            case MatchSubject.FromSocket:
                return Answer(session.IsLocalSocket);
            case MatchSubject.Tls:
                return Answer(session.IsTls);
            case MatchSubject.Auth when !session.IsAuthenticated:
                return new(s_fails);
            case MatchSubject.FromSource when _networks is not null:
                return _networks.CheckAsync(isInternal ? null : session.Source, cancellation);
            case MatchSubject.FromRdns when _table is null:
                return Answer(session.ReverseName is not null);
        }

        if (_table is null)
            return new(s_holds);
        string? key = _subject switch
        {
            MatchSubject.Tag => session.Tag,
            MatchSubject.FromSource => isInternal ? "local" : session.SourceText,
            MatchSubject.FromRdns => session.ReverseName,
            MatchSubject.ForDomain => destination.Address.Domain,
            MatchSubject.Helo => session.Helo,
            MatchSubject.Auth => session.AuthUser,
            MatchSubject.MailFrom => session.SenderKey,
            _ => destination.Key,
        };
        return key is null ? new(s_fails) : _table.CheckAsync(_service, key, cancellation);
    }

    private static ValueTask<TableResult> Answer(bool holds) => new(holds ? s_holds : s_fails);
}

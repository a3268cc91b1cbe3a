using Posthouse.Server.Model;
using Posthouse.Server.Tables;

namespace Posthouse.Server.Configuration;

/// <summary>The match statement.</summary>
internal sealed partial class StatementParser
{
    private readonly List<(List<MatchCriterion> Criteria, string? Action, SourcePosition Position)> _rules = [];
    private bool _sawMatch;

    private void MatchStatement(SourcePosition position)
    {
        _sawMatch = true;
        var criteria = new List<MatchCriterion>();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        string? action = null;
        bool decided = false;
        while (!_failed && !_token.IsEnd)
        {
            Token first = _token;
            if (!decided && Accept("action"))
            {
                action = ActionName();
                decided = true;
            }
            else if (!decided && Accept("reject"))
            {
                decided = true;
            }
            else
            {
                bool negated = Accept(TokenKind.Not);
                Criterion(criteria, seen, negated, decided);
            }
        }
        if (_failed)
            return;
        if (!decided)
        {
            Fail("a criterion (for, from, auth, helo, mail-from, rcpt-to, tag, tls), action or reject");
            return;
        }
        if (!seen.Contains("from"))
            criteria.Add(new(MatchSubject.FromSource, BuiltIn("<localhost>")));
        if (!seen.Contains("for"))
            criteria.Add(new(MatchSubject.ForDomain, BuiltIn("<localnames>")));
        // MatchSubject is declared in order of evaluation.
        _rules.Add(([.. criteria.OrderBy(criterion => criterion.Subject)], action, position));
    }

    private void Criterion(List<MatchCriterion> criteria, HashSet<string> seen, bool negated, bool decided)
    {
        Token option = _token;
        if (Accept("for"))
            ForCriterion(criteria, seen, option, negated);
        else if (Accept("from"))
            FromCriterion(criteria, seen, option, negated);
        else if (_token.IsText && _token.Text is "tag" or "tagged" && (Accept("tag") || Accept("tagged")))
            AddTested(criteria, seen, option, "tag", MatchSubject.Tag, negated, TableUse.List);
        else if (Accept("helo"))
            AddTested(criteria, seen, option, "helo", MatchSubject.Helo, negated, TableUse.List);
        else if (Accept("auth"))
            AddOptionallyTested(criteria, seen, option, MatchSubject.Auth, negated, TableUse.Either);
        else if (Accept("mail-from"))
            AddTested(criteria, seen, option, "mail-from", MatchSubject.MailFrom, negated, TableUse.Either);
        else if (Accept("rcpt-to"))
            AddTested(criteria, seen, option, "rcpt-to", MatchSubject.RcptTo, negated, TableUse.Either);
        else if (Accept("tls"))
            Add(criteria, seen, option, "tls", new(MatchSubject.Tls, null, negated));
        else
            Fail("a criterion (for, from, auth, helo, mail-from, rcpt-to, tag, tls)" + (decided ? " or the end of the line" : ", action or reject"));
    }

    private void ForCriterion(List<MatchCriterion> criteria, HashSet<string> seen, Token option, bool negated)
    {
        Once(seen, option, "for");
        Token what = _token;
        if (Accept("any"))
        {
            if (negated)
                criteria.Add(new(MatchSubject.ForAny, null, true));
        }
        else if (Accept("local"))
            criteria.Add(new(MatchSubject.ForDomain, BuiltIn("<localnames>"), negated));
        else if (Accept("domain"))
            AddTested(criteria, seen, what, "for domain", MatchSubject.ForDomain, negated, TableUse.List);
        else if (Accept("rcpt-to"))
            AddTested(criteria, seen, what, "rcpt-to", MatchSubject.RcptTo, negated, TableUse.Either);
        else
            Fail("any, local, domain or rcpt-to");
    }

    private void FromCriterion(List<MatchCriterion> criteria, HashSet<string> seen, Token option, bool negated)
    {
        Once(seen, option, "from");
        Token what = _token;
        if (Accept("any"))
        {
            if (negated)
                criteria.Add(new(MatchSubject.FromAny, null, true));
        }
        else if (Accept("local"))
            criteria.Add(new(MatchSubject.FromSource, BuiltIn("<localhost>"), negated));
        else if (Accept("socket"))
            criteria.Add(new(MatchSubject.FromSocket, null, negated));
        else if (Accept("src"))
            AddTested(criteria, seen, what, "from src", MatchSubject.FromSource, negated, TableUse.List);
        else if (Accept("rdns"))
            AddOptionallyTested(criteria, seen, what, MatchSubject.FromRdns, negated, TableUse.List);
        else if (Accept("auth"))
            AddOptionallyTested(criteria, seen, what, MatchSubject.Auth, negated, TableUse.List);
        else if (Accept("mail-from"))
            AddTested(criteria, seen, what, "mail-from", MatchSubject.MailFrom, negated, TableUse.Either);
        else
            Fail("any, local, socket, src, rdns, auth or mail-from");
    }

    private void AddTested(List<MatchCriterion> criteria, HashSet<string> seen, Token option, string name, MatchSubject subject, bool negated, TableUse use)
    {
        bool isRegex = Accept("regex");
        var criterion = new MatchCriterion(subject, null, negated, isRegex);
        Add(criteria, seen, option, name, criterion with { Table = TableArgument(name, use, criterion.Service) });
    }

    private void AddOptionallyTested(List<MatchCriterion> criteria, HashSet<string> seen, Token option, MatchSubject subject, bool negated, TableUse use)
    {
        if (At("regex") || AtTableArgument)
            AddTested(criteria, seen, option, option.Text, subject, negated, use);
        else
            Add(criteria, seen, option, option.Text, new(subject, null, negated));
    }

    private void Add(List<MatchCriterion> criteria, HashSet<string> seen, Token option, string name, MatchCriterion criterion)
    {
        if (_failed)
            return;
        Once(seen, option, name);
        criteria.Add(criterion);
    }

    private string ActionName()
    {
        Token token = _token;
        string name = Text("the name of an action", allowReserved: true);
        if (_failed)
            return name;
        if (!_actions.TryGetValue(name, out DeliveryAction? action))
            Error(token.Position, $"unknown action {Quote(name)}: expected one declared before");
        else if (action is RelayAction)
            Unsupported(token.Position, $"relay action {Quote(name)}");
        return name;
    }

    private TableDefinition BuiltIn(string name) => _tables[name];
}

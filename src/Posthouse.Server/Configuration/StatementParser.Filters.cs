using System.Collections.Immutable;
using Posthouse.Server.Model;

namespace Posthouse.Server.Configuration;

/// <summary>The filter statement, and filters as arguments of others.</summary>
internal sealed partial class StatementParser
{
    private const string DefaultCode = "550 ";

    private readonly Dictionary<string, FilterDefinition> _filters = new(StringComparer.Ordinal);
    private int _unnamedChains;

    private void FilterStatement(SourcePosition position)
    {
        Token name = _token;
        Name("a name for the filter");
        FilterDefinition? filter = null;
        if (Accept("phase"))
            filter = BuiltinFilter(name.Text, position);
        else if (Accept("proc"))
            filter = ProcFilter(name.Text, position);
        else if (Accept("proc-exec"))
            filter = ProgramFilter(name, position);
        else if (Accept("chain"))
            filter = Chain(name.Text, position);
        else
            Fail("phase, proc, proc-exec or chain");
        if (_failed || filter is null)
            return;
        if (!_filters.TryAdd(name.Text, filter))
            Error(name.Position, $"filter {Quote(name.Text)} is declared already at {_filters[name.Text].Position.FileAndLine}: expected another name");
    }

    private FilterDefinition.Program? ProcFilter(string name, SourcePosition position)
    {
        Token proc = _token;
        Text("the name of a proc", allowReserved: true);
        if (_failed)
            return null;
        if (!_processes.TryGetValue(proc.Text, out FilterProcess? process))
        {
            Error(proc.Position, $"unknown proc {Quote(proc.Text)}: expected one declared before");
            return null;
        }
        return new(process) { Name = name, Position = position };
    }

    private FilterDefinition.Program? ProgramFilter(Token name, SourcePosition position)
    {
        var process = new FilterProcess(name.Text, PlugCommand(position, PlugOptions.Instances | PlugOptions.OnFailure));
        if (_failed)
            return null;
        // It shares the names of procs, because both are named in the log.
        if (!_processes.TryAdd(name.Text, process) && !_filters.ContainsKey(name.Text))
            Error(name.Position, $"{Quote(name.Text)} is the name of a proc already: expected another name");
        return new(process) { Name = name.Text, Position = position };
    }

    private FilterDefinition.Builtin? BuiltinFilter(string name, SourcePosition position)
    {
        FilterPhase? phase = Phase();
        if (phase is not { } when)
            return null;
        Expect("match");
        var conditions = ImmutableArray.CreateBuilder<FilterCondition>();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        do
        {
            conditions.Add(Condition(when, seen));
        }
        while (!_failed && (_token.Kind == TokenKind.Not || !IsDecision(_token)));
        FilterDecision decision = Decision(when);
        return _failed ? null : new(when, conditions.DrainToImmutable(), decision) { Name = name, Position = position };
    }

    private FilterPhase? Phase()
    {
        FilterPhase? phase = _token.Kind != TokenKind.Word ? null : _token.Text switch
        {
            "connect" => FilterPhase.Connect,
            "helo" => FilterPhase.Helo,
            "ehlo" => FilterPhase.Ehlo,
            "auth" => FilterPhase.Auth,
            "mail-from" => FilterPhase.MailFrom,
            "rcpt-to" => FilterPhase.RcptTo,
            "data" => FilterPhase.Data,
            "commit" => FilterPhase.Commit,
            _ => null,
        };
        if (phase is null)
            Fail("a phase: connect, helo, ehlo, auth, mail-from, rcpt-to, data or commit");
        else if (!_failed)
            Advance();
        return phase;
    }

    private FilterCondition Condition(FilterPhase phase, HashSet<string> seen)
    {
        bool negated = Accept(TokenKind.Not);
        Token option = _token;
        FilterSubject? named = option.Kind != TokenKind.Word ? null : option.Text switch
        {
            "fcrdns" => FilterSubject.Fcrdns,
            "rdns" => FilterSubject.Rdns,
            "src" => FilterSubject.Source,
            "helo" => FilterSubject.Helo,
            "auth" => FilterSubject.Auth,
            "mail-from" => FilterSubject.MailFrom,
            "rcpt-to" => FilterSubject.RcptTo,
            _ => null,
        };
        if (named is not { } subject)
        {
            Fail("a condition (fcrdns, rdns, src, helo, auth, mail-from, rcpt-to)" + (seen.Count > 0 ? " or a decision (reject, disconnect, rewrite, report, junk, bypass)" : ""));
            return default;
        }
        if (!IsKnown(subject, phase))
        {
            Fail($"a condition that is known when the phase begins: {option.Text} is not yet, or no more");
            return default;
        }
        Advance();
        Once(seen, option);
        var condition = new FilterCondition(subject, null, negated, subject != FilterSubject.Fcrdns && Accept("regex"));
        bool needsTable = condition.IsRegex || subject is not (FilterSubject.Fcrdns or FilterSubject.Rdns or FilterSubject.Auth);
        if (!needsTable && (subject == FilterSubject.Fcrdns || !AtTableArgument))
            return condition;
        return condition with { Table = TableArgument(option.Text, subject is FilterSubject.MailFrom or FilterSubject.RcptTo or FilterSubject.Auth ? TableUse.Either : TableUse.List, condition.Service) };
    }

    private static bool IsKnown(FilterSubject subject, FilterPhase phase) => subject switch
    {
        FilterSubject.Helo => phase >= FilterPhase.Helo,
        FilterSubject.Auth => phase >= FilterPhase.Auth,
        FilterSubject.MailFrom => phase >= FilterPhase.MailFrom,
        FilterSubject.RcptTo => phase == FilterPhase.RcptTo,
        _ => true,
    };

    private static bool IsDecision(Token token) =>
        token.IsEnd || (token.Kind == TokenKind.Word && token.Text is "reject" or "disconnect" or "rewrite" or "report" or "junk" or "bypass");

    private FilterDecision Decision(FilterPhase phase)
    {
        Token verb = _token;
        if (Accept("reject"))
            return new(FilterVerb.Reject, ReplyText());
        if (Accept("disconnect"))
            return new(FilterVerb.Disconnect, ReplyText());
        if (Accept("rewrite"))
            return new(FilterVerb.Rewrite, Text("the new parameter"));
        if (Accept("report"))
            return new(FilterVerb.Report, Text("the text of the report"));
        if (phase == FilterPhase.Commit && verb.Kind == TokenKind.Word && verb.Text is "junk" or "bypass")
            Fail("reject, disconnect, rewrite or report: at commit it is too late for others");
        if (Accept("junk"))
            return new(FilterVerb.Junk);
        if (Accept("bypass"))
            return new(FilterVerb.Bypass);
        Fail("a decision: reject, disconnect, rewrite, report, junk or bypass");
        return default;
    }

    private string ReplyText()
    {
        Token token = _token;
        string text = Text("a reply such as \"550 go away\"");
        if (_failed || (text.Length >= 3 && text[0] is '4' or '5' && char.IsAsciiDigit(text[1]) && char.IsAsciiDigit(text[2]) && (text.Length == 3 || text[3] == ' ')))
            return text;
        Warn(token.Position, $"{token.Describe()} has no reply code and is sent after 550: expected a text that begins with 4xx or 5xx");
        return DefaultCode + text;
    }

    private FilterDefinition.Chain? Chain(string name, SourcePosition position)
    {
        SourcePosition open = _token.Position;
        Expect(TokenKind.OpenBrace, "the names of filters in braces");
        var members = ImmutableArray.CreateBuilder<FilterDefinition>();
        bool isEmpty = true;
        for (; !_failed; isEmpty = false)
        {
            while (Accept(TokenKind.EndOfLine) || Accept(TokenKind.Comma))
            {
            }
            if (_token.Kind == TokenKind.CloseBrace)
                break;
            if (_token.Kind == TokenKind.EndOfFile || BeginsStatement(_token))
                Fail($"\"}}\" after the chain that begins at {open}");
            else if (DeclaredFilter() is { } member)
                AddMember(members, member.Filter, member.Place);
        }
        // A chain of nothing would let everything pass.
        if (!_failed && isEmpty)
            Fail("the name of a filter");
        Expect(TokenKind.CloseBrace, "\"}\"");
        return _failed ? null : new(members.DrainToImmutable()) { Name = name, Position = position };
    }

    private void AddMember(ImmutableArray<FilterDefinition>.Builder members, FilterDefinition filter, SourcePosition place)
    {
        if (filter is FilterDefinition.Chain)
            Error(place, $"filter {Quote(filter.Name)} is a chain: expected a filter that is none");
        else if (members.Contains(filter))
            Error(place, $"filter {Quote(filter.Name)} is in the chain already: expected it once");
        else if (filter is FilterDefinition.Program program && members.Any(other => other is FilterDefinition.Program { Process: var process } && process == program.Process))
            Error(place, $"filter {Quote(filter.Name)} runs in proc {Quote(program.Process.Name)}, which is in the chain already: expected a filter of another proc");
        else
            members.Add(filter);
    }

    private (FilterDefinition Filter, SourcePosition Place)? DeclaredFilter()
    {
        Token token = _token;
        string name = Text("the name of a filter", allowReserved: true);
        if (_failed)
            return null;
        if (_filters.TryGetValue(name, out FilterDefinition? filter))
            return (filter, token.Position);
        Error(token.Position, $"unknown filter {Quote(name)}: expected one declared before");
        return null;
    }

    /// <summary>A filter by name, or several in braces.</summary>
    private FilterDefinition? FilterArgument() => _token.Kind == TokenKind.OpenBrace
        ? Chain($"<chain:{++_unnamedChains}>", _token.Position)
        : DeclaredFilter()?.Filter;
}

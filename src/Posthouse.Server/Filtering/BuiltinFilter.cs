using System.Collections.Immutable;
using Posthouse.Plugs;
using Posthouse.Server.Configuration;
using Posthouse.Server.Tables;

namespace Posthouse.Server.Filtering;

/// <summary>A <c>filter … phase … match … decision</c> with its tables looked up beforehand. As long as they answer from memory nothing waits and nothing is allocated.</summary>
internal sealed class BuiltinFilter
{
    private static readonly FilterAnswer s_unavailable = new(FilterAnswerKind.Reject, "451 4.3.0 Temporary failure");

    private readonly string _name;
    private readonly ImmutableArray<FilterCondition> _conditions;
    private readonly ITable?[] _tables;
    private readonly FilterAnswer _decision;

    internal BuiltinFilter(FilterDefinition.Builtin definition, TableSet tables)
    {
        _name = definition.Name;
        Phase = definition.Phase;
        _conditions = definition.Conditions;
        _tables = [.. _conditions.Select(condition => condition.Table is null ? null : tables[condition.Table])];
        _decision = new(definition.Decision.Verb switch
        {
            FilterVerb.Reject => FilterAnswerKind.Reject,
            FilterVerb.Disconnect => FilterAnswerKind.Disconnect,
            FilterVerb.Rewrite => FilterAnswerKind.Rewrite,
            FilterVerb.Report => FilterAnswerKind.Report,
            FilterVerb.Junk => FilterAnswerKind.Junk,
            _ => FilterAnswerKind.Bypass,
        }, definition.Decision.Text);
    }

    internal FilterPhase Phase { get; }

    /// <summary>Its decision when all conditions hold, else to proceed. A table that cannot answer makes it a temporary failure of that command.</summary>
    internal ValueTask<FilterAnswer> JudgeAsync(FilterFacts facts, FilterEnvironment environment)
    {
        for (int i = 0; i < _conditions.Length; i++)
        {
            ValueTask<TableResult> answer = EvaluateAsync(i, facts);
            if (!answer.IsCompletedSuccessfully) return JudgeOnAsync(answer, i, facts, environment);
            if (Conclude(answer.Result, i, environment) is { } conclusion) return new(conclusion);
        }
        return new(_decision);
    }

    private async ValueTask<FilterAnswer> JudgeOnAsync(ValueTask<TableResult> answer, int index, FilterFacts facts, FilterEnvironment environment)
    {
        if (Conclude(await answer, index, environment) is { } conclusion) return conclusion;
        for (int i = index + 1; i < _conditions.Length; i++)
            if (Conclude(await EvaluateAsync(i, facts), i, environment) is { } next) return next;
        return _decision;
    }

    // Null: the condition holds.
    private FilterAnswer? Conclude(TableResult result, int index, FilterEnvironment environment)
    {
        if (result.Status == TableStatus.Error)
        {
            FilteringLog.TableFailed(environment.Logger, _name, _conditions[index].Table?.Name ?? "", result.Value ?? "it failed");
            return s_unavailable;
        }
        return result.IsFound == _conditions[index].Negated ? FilterAnswer.Proceed : null;
    }

    private ValueTask<TableResult> EvaluateAsync(int index, FilterFacts facts)
    {
        FilterCondition condition = _conditions[index];
        string? key;
        switch (condition.Subject)
        {
            case FilterSubject.Fcrdns:
                return Answer(facts.IsConfirmed);
            case FilterSubject.Rdns:
                // A name that is none, or an address in brackets, is no name.
                key = facts.ReverseName is FilterFacts.Unknown or "" || facts.ReverseName[0] == '[' ? null : facts.ReverseName;
                break;
            case FilterSubject.Source:
                if (_tables[index] is ContentTable networks && !condition.IsRegex) return networks.CheckAsync(facts.Client is { } client ? NetAddress.Of(client) : (NetAddress?)null);
                key = facts.Key;
                break;
            case FilterSubject.Helo:
                key = facts.Helo;
                break;
            case FilterSubject.Auth:
                key = facts.User;
                break;
            case FilterSubject.MailFrom:
                key = facts.Sender;
                break;
            default:
                key = facts.Recipient;
                break;
        }
        if (_tables[index] is not { } table) return Answer(key is not null);
        return key is null ? new(TableResult.NotFound) : table.CheckAsync(condition.Service, key);
    }

    private static ValueTask<TableResult> Answer(bool holds) => new(holds ? TableResult.Found() : TableResult.NotFound);
}

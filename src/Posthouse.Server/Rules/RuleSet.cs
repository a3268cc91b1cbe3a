using System.Collections.Immutable;
using Posthouse.Plugs;
using Posthouse.Server.Configuration;
using Posthouse.Server.Tables;
using Posthouse.Wire;

namespace Posthouse.Server.Rules;

/// <summary>
/// The match statements of a configuration, ready to be asked: the first whose criteria all hold decides. As long as the
/// tables answer from memory the answer is there at once and nothing is allocated but the text of an address that a rule looks up.
/// </summary>
public sealed class RuleSet
{
    private readonly ImmutableArray<MatchRule> _rules;
    private readonly RuleCriterion[][] _criteria;

    /// <summary>Prepares the rules; <paramref name="tables"/> must outlive them.</summary>
    public RuleSet(ImmutableArray<MatchRule> rules, TableSet tables)
    {
        _rules = rules;
        _criteria = [.. rules.Select(rule => rule.Criteria.Select(criterion => new RuleCriterion(criterion, tables)).ToArray())];
    }

    /// <summary>Finds the rule for a destination.</summary>
    /// <param name="session">The client and the sender.</param>
    /// <param name="destination">The current address: the recipient, or what it was expanded to.</param>
    /// <param name="isInternal">Whether expansion made the address: it then comes from here, whoever the client is.</param>
    /// <param name="cancellation">Ends the wait for a slow table by an exception.</param>
    public ValueTask<RuleVerdict> MatchAsync(SessionContext session, Mailbox destination, bool isInternal, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(session);
        ArgumentNullException.ThrowIfNull(destination);
        return Walk(new(session, new(destination), isInternal, cancellation), 0, 0);
    }

    // Goes on at a criterion of a rule; leaves to an asynchronous continuation when a table does not answer at once.
    private ValueTask<RuleVerdict> Walk(Question question, int rule, int criterion)
    {
        for (; rule < _criteria.Length; rule++, criterion = 0)
        {
            RuleCriterion[] criteria = _criteria[rule];
            for (; criterion < criteria.Length; criterion++)
            {
                RuleCriterion current = criteria[criterion];
                if (!current.Applies(question.Session, question.IsInternal))
                    break;
                ValueTask<TableResult> answer = current.EvaluateAsync(question.Session, question.Destination, question.IsInternal, question.Cancellation);
                if (!answer.IsCompletedSuccessfully)
                    return WalkOnAsync(answer, question, rule, criterion);
                TableResult result = answer.Result;
                if (result.Status == TableStatus.Error)
                    return new(Failed(rule, current, result));
                if (result.IsFound == current.IsNegated)
                    break;
            }

            if (criterion == criteria.Length)
                return new(new RuleVerdict(_rules[rule]));
        }

        return default;
    }

    private async ValueTask<RuleVerdict> WalkOnAsync(ValueTask<TableResult> answer, Question question, int rule, int criterion)
    {
        RuleCriterion current = _criteria[rule][criterion];
        TableResult result = await answer;
        if (result.Status == TableStatus.Error)
            return Failed(rule, current, result);
        return result.IsFound == current.IsNegated
            ? await Walk(question, rule + 1, 0)
            : await Walk(question, rule, criterion + 1);
    }

    private RuleVerdict Failed(int rule, RuleCriterion criterion, TableResult result) =>
        new(_rules[rule], $"rule {_rules[rule].Position.FileAndLine}: table {criterion.TableName}: {result.Value}");

    private readonly record struct Question(SessionContext Session, RuleDestination Destination, bool IsInternal, CancellationToken Cancellation);
}

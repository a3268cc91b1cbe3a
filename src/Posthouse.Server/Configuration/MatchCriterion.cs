using Posthouse.Plugs;
using Posthouse.Server.Tables;

namespace Posthouse.Server.Configuration;

/// <summary>One thing that must hold for a rule to match.</summary>
/// <param name="Subject">What it looks at.</param>
/// <param name="Table">What the subject is checked against; null where the subject alone decides.</param>
/// <param name="Negated">Whether it must not hold. A failing table is a temporary failure either way.</param>
/// <param name="IsRegex">Whether the entries of the table are regular expressions.</param>
public readonly record struct MatchCriterion(MatchSubject Subject, TableDefinition? Table = null, bool Negated = false, bool IsRegex = false)
{
    /// <summary>The service that the table is asked for.</summary>
    public TableService Service => IsRegex ? TableService.Regex : Subject switch
    {
        MatchSubject.FromSource => TableService.NetAddr,
        MatchSubject.FromRdns or MatchSubject.ForDomain or MatchSubject.Helo => TableService.Domain,
        MatchSubject.MailFrom or MatchSubject.RcptTo => TableService.MailAddr,
        _ => TableService.String,
    };
}

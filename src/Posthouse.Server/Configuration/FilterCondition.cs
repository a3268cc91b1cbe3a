using Posthouse.Plugs;
using Posthouse.Server.Tables;

namespace Posthouse.Server.Configuration;

/// <summary>One condition of a builtin filter.</summary>
/// <param name="Subject">What it looks at.</param>
/// <param name="Table">What the subject is checked against; null where the subject alone decides.</param>
/// <param name="Negated">Whether it must not hold.</param>
/// <param name="IsRegex">Whether the entries of the table are regular expressions.</param>
public readonly record struct FilterCondition(FilterSubject Subject, TableDefinition? Table = null, bool Negated = false, bool IsRegex = false)
{
    /// <summary>The service that the table is asked for.</summary>
    public TableService Service => IsRegex ? TableService.Regex : Subject switch
    {
        FilterSubject.Source => TableService.NetAddr,
        FilterSubject.Rdns or FilterSubject.Helo => TableService.Domain,
        FilterSubject.MailFrom or FilterSubject.RcptTo => TableService.MailAddr,
        _ => TableService.String,
    };
}

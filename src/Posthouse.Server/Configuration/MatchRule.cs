using System.Collections.Immutable;
using Posthouse.Server.Model;

namespace Posthouse.Server.Configuration;

/// <summary>One <c>match</c> statement.</summary>
/// <param name="Criteria">
/// What must hold, all of it, in order of evaluation: tag, from, for, helo, auth, tls, mail-from, rcpt-to. A criterion that always holds
/// (<c>from any</c>, <c>for any</c>) is left out; an implied one (<c>from local</c>, <c>for local</c>) is there.
/// </param>
/// <param name="Action">What to do; null: reject.</param>
public sealed record MatchRule(ImmutableArray<MatchCriterion> Criteria, DeliveryAction? Action)
{
    /// <summary>Where it stands; <see cref="SourcePosition.FileAndLine"/> is its name in envelopes and the log.</summary>
    public SourcePosition Position { get; init; }

    /// <summary>Whether it rejects.</summary>
    public bool IsReject => Action is null;
}

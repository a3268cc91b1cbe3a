using System.Net;
using Microsoft.Extensions.Logging;
using Posthouse.Server.Model;
using Posthouse.Server.Naming;
using Posthouse.Server.Queueing;
using Posthouse.Server.Rules;
using Posthouse.Wire;

namespace Posthouse.Server.Receiving;

/// <summary>What sessions need of the server around them.</summary>
public sealed record ReceivingServices
{
    /// <summary>Where mail goes.</summary>
    public required MailQueue Queue { get; init; }

    /// <summary>Decides about a recipient, within a time of its own.</summary>
    public required Func<SessionContext, Mailbox, CancellationToken, ValueTask<Resolution>> Resolve { get; init; }

    /// <summary>Asks for a client's name, within a time of its own (<see cref="ReverseNames.FindAsync"/>). Null: nobody is asked, and only the loopback has a name.</summary>
    public Func<IPAddress, CancellationToken, ValueTask<ReverseName>>? FindName { get; init; }

    /// <summary>How long a wrong password takes to be refused, so that guessing is slow and tells nothing by its time.</summary>
    public Func<TimeSpan> AuthDelay { get; init; } = static () => TimeSpan.FromMilliseconds(Random.Shared.Next(1000));

    /// <summary>The clock.</summary>
    public required TimeProvider Time { get; init; }

    /// <summary>Where sessions are logged.</summary>
    public required ILogger Logger { get; init; }

    /// <summary>Gets <c>smtp.session</c>, <c>smtp.session.local</c>, <c>.inet4</c>, <c>.inet6</c>, <c>smtp.tls</c> and <c>smtp.smtps</c>: sessions now.</summary>
    public required Counters Counters { get; init; }
}

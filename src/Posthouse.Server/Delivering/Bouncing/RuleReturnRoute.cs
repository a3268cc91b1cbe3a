using Posthouse.Plugs;
using Posthouse.Server.Model;
using Posthouse.Server.Rules;
using Posthouse.Wire;

namespace Posthouse.Server.Delivering.Bouncing;

/// <summary>
/// The way back by the rules, as if the notification had come by the local socket with the null sender. While mail cannot
/// be relayed, a sender elsewhere is a temporary failure (4.3.5), so the bounce waits and expires.
/// </summary>
/// <param name="resolver">The resolver of the configuration in force.</param>
/// <param name="serverName">The name of this server, for bounces that carry none.</param>
public sealed class RuleReturnRoute(Func<RecipientResolver> resolver, string serverName) : IReturnRoute
{
    /// <inheritdoc/>
    public async ValueTask<(Fault? Failure, IReadOnlyList<Envelope> Envelopes)> ResolveAsync(Envelope bounce, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(bounce);
        if (!Mailbox.TryParse(bounce.Recipient, out Mailbox? sender) || sender is null)
            return (Fault.Permanent("The sender is not an address", subject: 1, code: 7), []);
        SessionContext session = new() { Client = null, ServerName = bounce.ServerName ?? serverName, Tag = bounce.Tag };
        Resolution resolution = await resolver().ResolveAsync(session, sender, cancellation);
        if (resolution.Refusal is { } refusal)
            return (new Fault(refusal.IsPermanent, refusal.Enhanced, refusal.Text), []);
        return (null, [.. resolution.Envelopes.Select(prototype => ToEnvelope(prototype, bounce))]);
    }

    private static Envelope ToEnvelope(EnvelopePrototype prototype, Envelope bounce) => new()
    {
        Id = default,
        Kind = prototype.Kind,
        Action = prototype.Action,
        Rule = prototype.Rule,
        Sender = "",
        Recipient = bounce.Recipient,
        Destination = prototype.Destination,
        User = prototype.User,
        Extension = prototype.Extension,
        Source = prototype.Source,
        Tag = bounce.Tag,
        Size = 0,
        Created = 0,
        Expires = (long)prototype.Ttl.TotalSeconds,
    };
}

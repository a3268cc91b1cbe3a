using System.Net;
using Posthouse.Plugs;
using Posthouse.Server.Delivering;
using Posthouse.Server.Model;
using Posthouse.Server.Queueing;
using Posthouse.Server.Rules;
using Posthouse.Wire;

namespace Posthouse.Server.Hosting;

/// <summary>
/// Local delivery of which an envelope may stand for an entry of an alias or .forward (its source) that is not there any more: then its
/// recipient is resolved again, and what comes of that takes its place in the queue, before the envelope is deleted. An expansion counts as a try of the new
/// envelopes, so that a source which changes each time makes no fire. Some of the recipient's other entries may have been delivered already and get the
/// message twice; nobody misses it.
/// </summary>
internal sealed class ExpandingDelivery(IDelivery local, MailQueue queue, Generations generations, TimeProvider time) : IDelivery
{
    /// <inheritdoc/>
    public async ValueTask<DeliveryResult> DeliverAsync(Envelope envelope, CancellationToken cancellation)
    {
        DeliveryResult result = await local.DeliverAsync(envelope, cancellation);
        // RFC 3463 3.4: X.3.5, system incorrectly configured: what the parent says of an entry that it does not find.
        if (envelope.Source is null || result is not { Outcome: DeliveryOutcome.Temporary, Status: { Subject: 3, Detail: 5 } }) return result;
        Serving serving = generations.Enter();
        try
        {
            return await ExpandAsync(serving, envelope, cancellation) ?? result;
        }
        finally
        {
            serving.Leave();
        }
    }

    // Null: it stays as it is, and waits.
    private async ValueTask<DeliveryResult?> ExpandAsync(Serving serving, Envelope envelope, CancellationToken cancellation)
    {
        if (!(await serving.Sources.ReadAsync(envelope, cancellation)).IsChanged) return null;
        if (!Mailbox.TryParse(envelope.Recipient, out Mailbox? recipient) || recipient is null) return null;
        // What the session was is not known in full: a refusal may mean nothing, and returns no mail.
        Resolution resolution = await serving.Recipients.ResolveAsync(ContextOf(envelope, serving.Configuration.ServerName), recipient, cancellation);
        if (!resolution.IsAccepted || resolution.Envelopes.Any(prototype => prototype.Source == envelope.Source && prototype.Action == envelope.Action)) return null;

        MessageWriter writer = queue.ExtendMessage(envelope.Id.Message);
        HashSet<(string, string?, string, string?)> waiting = await WaitingAsync(envelope, cancellation);
        foreach (EnvelopePrototype prototype in resolution.Envelopes)
        {
            if (waiting.Add((prototype.Action, prototype.User, prototype.Destination, prototype.Source)))
                writer.AddEnvelope(Make(envelope, prototype, writer.DrawEnvelopeId()));
        }

        int count = writer.Envelopes.Count;
        QueueResult committed = await writer.CommitAsync(cancellation);
        return committed.IsOk ? DeliveryResult.Replaced($"{envelope.Source} has changed: expanded again to {count}") : null;
    }

    // The recipient's others that are still in the queue need no second; but one that has a source may be about to be replaced itself, and is not to be counted on.
    private async ValueTask<HashSet<(string Action, string? User, string Destination, string? Source)>> WaitingAsync(Envelope envelope, CancellationToken cancellation)
    {
        HashSet<(string, string?, string, string?)> waiting = [];
        await foreach (Envelope other in queue.WalkAsync(new((ulong)envelope.Id.Message.Value << 32), cancellation))
        {
            if (other.Id.Message != envelope.Id.Message) break;
            if (other.Source is null && other.Recipient == envelope.Recipient && other.Kind != EnvelopeKind.Bounce)
                waiting.Add((other.Action, other.User, other.Destination, other.Source));
        }

        return waiting;
    }

    private Envelope Make(Envelope envelope, EnvelopePrototype prototype, EnvelopeId id) => envelope with
    {
        Id = id,
        Kind = prototype.Kind,
        Action = prototype.Action,
        Rule = prototype.Rule,
        Destination = prototype.Destination,
        User = prototype.User,
        Extension = prototype.Extension,
        Source = prototype.Source,
        Flags = envelope.Flags & ~EnvelopeFlags.Suspended,
        Tries = envelope.Tries + 1,
        LastTry = time.GetUtcNow().ToUnixTimeSeconds(),
        NextTry = 0,
        Status = null,
        Error = null,
    };

    private static SessionContext ContextOf(Envelope envelope, string serverName) => new()
    {
        Client = IPAddress.TryParse(envelope.Client, out IPAddress? client) ? client : null,
        ServerName = envelope.ServerName ?? serverName,
        ReverseName = envelope.ReverseName,
        Helo = envelope.Helo,
        AuthUser = envelope.Auth,
        Tag = string.IsNullOrEmpty(envelope.Tag) ? null : envelope.Tag,
        Sender = Mailbox.TryParse(envelope.Sender, out Mailbox? sender) ? sender : null,
    };
}

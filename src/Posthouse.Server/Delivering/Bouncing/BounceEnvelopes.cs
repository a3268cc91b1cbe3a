using Posthouse.Plugs;
using Posthouse.Server.Model;
using Posthouse.Server.Queueing;

namespace Posthouse.Server.Delivering.Bouncing;

/// <summary>
/// Puts bounce envelopes into the queue. A bounce envelope belongs to the message that it reports on and carries the
/// report, so the fact that a sender must be told is durable before the envelope that failed is deleted.
/// </summary>
internal sealed class BounceEnvelopes(MailQueue queue, TimeProvider time, Counters counters)
{
    private readonly Counter _queued = counters["queue.bounce"];

    /// <summary>Commits a bounce of <paramref name="type"/> for <paramref name="envelope"/>.</summary>
    /// <param name="envelope">What is reported on; its sender is told.</param>
    /// <param name="type">One of <see cref="BounceType"/>.</param>
    /// <param name="status">Enhanced status code.</param>
    /// <param name="text">What happened.</param>
    /// <param name="remote">The host that said so; null for this one.</param>
    /// <param name="options">Lifetime of the bounce and the server's name.</param>
    public async ValueTask<QueueResult> CommitAsync(Envelope envelope, string type, string? status, string? text, string? remote, DispatcherOptions options)
    {
        long now = time.GetUtcNow().ToUnixTimeSeconds();
        MessageWriter writer = queue.ExtendMessage(envelope.Id.Message);
        writer.AddEnvelope(new()
        {
            Id = writer.DrawEnvelopeId(),
            Session = envelope.Session,
            Kind = EnvelopeKind.Bounce,
            Action = "",
            Sender = "",
            Recipient = envelope.Sender,
            Destination = envelope.Sender,
            Tag = envelope.Tag,
            ServerName = envelope.ServerName ?? options.ServerName,
            Flags = EnvelopeFlags.Bounce | EnvelopeFlags.Internal,
            Size = envelope.Size,
            Created = now,
            Expires = now + (long)options.BounceTimeToLive.TotalSeconds,
            Notification = envelope.Notification is null ? null : envelope.Notification with { Notify = null, OriginalRecipient = null },
            Bounce = new()
            {
                Type = type,
                Of =
                [
                    new()
                    {
                        Id = envelope.Id.ToString(),
                        Recipient = envelope.Recipient,
                        Destination = envelope.Destination,
                        OriginalRecipient = envelope.Notification?.OriginalRecipient,
                        Status = status,
                        Error = text,
                        Remote = remote,
                        Arrived = envelope.Created,
                        LastTry = envelope.LastTry,
                        Expires = type == BounceType.Delayed ? envelope.Expires : 0,
                    },
                ],
            },
        });
        QueueResult result = await writer.CommitAsync();
        if (result.IsOk)
            _queued.Add();
        return result;
    }
}

using Posthouse.Plugs;
using Posthouse.Server.Queueing;
using Posthouse.Server.Rules;
using Posthouse.Wire;

namespace Posthouse.Server.Receiving;

/// <summary>Makes envelopes of what the rules decided and what the session knows.</summary>
internal static class EnvelopeMaker
{
    /// <summary>Adds the envelopes of all recipients to a message whose content is written.</summary>
    internal static void Add(MessageWriter writer, SmtpDialogue dialogue, SessionContext context, string session, List<AcceptedRecipient> recipients, DateTimeOffset now)
    {
        MailCommand mail = dialogue.Mail;
        string sender = mail.Sender?.ToString() ?? "";
        string client = context.Client is { } address ? ReceivedHeader.Plain(address) : "local";
        long created = now.ToUnixTimeSeconds();
        EnvelopeFlags flags = (dialogue.IsAuthenticated ? EnvelopeFlags.Authenticated : 0) | (context.IsLocalSocket ? EnvelopeFlags.Internal : 0);
        foreach (AcceptedRecipient accepted in recipients)
        {
            string recipient = accepted.Command.Recipient.ToString();
            EnvelopeNotification? notification = Notification(mail, accepted.Command);
            for (int i = 0; i < accepted.Envelopes.Count; i++)
            {
                EnvelopePrototype prototype = accepted.Envelopes[i];
                writer.AddEnvelope(new Envelope
                {
                    Id = accepted.Ids?[i] ?? writer.DrawEnvelopeId(),
                    Session = session,
                    Kind = prototype.Kind,
                    Action = prototype.Action,
                    Rule = prototype.Rule,
                    Sender = sender,
                    Recipient = recipient,
                    Destination = prototype.Destination,
                    User = prototype.User,
                    Extension = prototype.Extension,
                    Source = prototype.Source,
                    Client = client,
                    Helo = dialogue.Helo,
                    ReverseName = context.ReverseName,
                    Auth = dialogue.User,
                    Tag = context.Tag,
                    ServerName = dialogue.ServerName,
                    Flags = flags,
                    Size = writer.Size,
                    Created = created,
                    Expires = created + (long)prototype.Ttl.TotalSeconds,
                    Notification = notification,
                });
            }
        }
    }

    private static EnvelopeNotification? Notification(MailCommand mail, RcptCommand recipient)
    {
        if (!mail.HasDsn && !recipient.HasDsn)
            return null;
        return new EnvelopeNotification
        {
            Notify = Words(recipient.Notify),
            Return = mail.Return switch { DsnReturn.Full => "full", DsnReturn.Headers => "hdrs", _ => null },
            EnvelopeIdentifier = mail.EnvelopeIdentifier,
            OriginalRecipient = recipient.OriginalRecipient,
        };
    }

    private static string[]? Words(DsnNotify notify)
    {
        if (notify == DsnNotify.Unspecified)
            return null;
        List<string> words = [];
        if ((notify & DsnNotify.Never) != 0)
            words.Add("never");
        if ((notify & DsnNotify.Success) != 0)
            words.Add("success");
        if ((notify & DsnNotify.Failure) != 0)
            words.Add("failure");
        if ((notify & DsnNotify.Delay) != 0)
            words.Add("delay");
        return [.. words];
    }
}

using Posthouse.Plugs;

namespace Posthouse.Server.Delivering.Bouncing;

/// <summary>Whether the sender of an envelope is to be told what became of it (RFC 3461 section 4.1).</summary>
public static class NotifyPolicy
{
    /// <summary>
    /// Whether a notification of <paramref name="type"/> is wanted. Without NOTIFY failures and delays are told; with it,
    /// only what it names. The null sender, and so a bounce, is never told anything (RFC 5321 section 6.1).
    /// </summary>
    public static bool IsWanted(Envelope envelope, string type)
    {
        if (envelope.Sender.Length == 0 || envelope.Kind == EnvelopeKind.Bounce || envelope.Flags.HasFlag(EnvelopeFlags.Bounce))
            return false;
        string[]? notify = envelope.Notification?.Notify;
        string word = type switch
        {
            BounceType.Failed => "failure",
            BounceType.Delayed => "delay",
            _ => "success",
        };
        return notify is null or [] ? word != "success" : notify.Contains(word, StringComparer.OrdinalIgnoreCase);
    }
}

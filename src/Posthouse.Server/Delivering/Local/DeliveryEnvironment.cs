using Posthouse.Plugs;
using Posthouse.Server.Model;

namespace Posthouse.Server.Delivering.Local;

/// <summary>The environment of a delivery program: OpenSMTPD's variables, and nothing of ours.</summary>
internal static class DeliveryEnvironment
{
    internal static List<KeyValuePair<string, string>> Of(Envelope envelope, UserAccount account)
    {
        string recipient = envelope.Recipient.Length > 0 ? envelope.Recipient : envelope.Destination;
        List<KeyValuePair<string, string>> variables =
        [
            new("PATH", "/usr/bin:/bin"),
            new("DOMAIN", FormatValues.Domain(recipient)),
            new("HOME", account.Home),
            new("ORIGINAL_RECIPIENT", recipient),
            new("RECIPIENT", envelope.Destination),
            new("SHELL", "/bin/sh"),
            new("LOCAL", FormatValues.LocalPart(recipient)),
            new("LOGNAME", account.Name),
            new("USER", account.Name),
            new("SENDER", envelope.Sender),
        ];
        if (!string.IsNullOrEmpty(envelope.Extension)) variables.Add(new("EXTENSION", envelope.Extension));
        return variables;
    }
}

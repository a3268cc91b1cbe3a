using System.Text;
using Posthouse.Plugs;
using Posthouse.Server.Processes;

namespace Posthouse.Server.Delivering.Local;

/// <summary>
/// What of an envelope the parent needs to know: the names of what the configuration holds, and the addresses as data. It is
/// kept this small because the parent is root and the engine may be anybody.
/// </summary>
internal static class DeliveryOrder
{
    /// <summary>Longest text in bytes.</summary>
    internal const int MaxText = 4096;

    /// <summary>Adds what the parent needs of an envelope; false when a text in it is too long to be a name or an address.</summary>
    internal static bool TryWrite(PayloadWriter writer, Envelope envelope, out PayloadWriter written)
    {
        written = writer;
        string?[] texts = [envelope.Action, envelope.User, envelope.Extension, envelope.Source, envelope.Sender, envelope.Recipient, envelope.Destination];
        foreach (string? text in texts)
            if (text is not null && Encoding.UTF8.GetByteCount(text) > MaxText) return false;
        writer.Text(envelope.Action).Optional(envelope.User).Optional(envelope.Extension).Optional(envelope.Source)
            .Text(envelope.Sender).Text(envelope.Recipient).Text(envelope.Destination);
        return true;
    }

    /// <summary>Reads the envelope; believe it when the reader is sound. What the parent needs not is made up.</summary>
    internal static Envelope Read(ref PayloadReader reader) => new()
    {
        Id = default,
        Kind = EnvelopeKind.Mda,
        Action = reader.Text(MaxText),
        User = reader.Optional(MaxText),
        Extension = reader.Optional(MaxText),
        Source = reader.Optional(MaxText),
        Sender = reader.Text(MaxText),
        Recipient = reader.Text(MaxText),
        Destination = reader.Text(MaxText),
        Size = 0,
        Created = 0,
        Expires = 0,
    };
}

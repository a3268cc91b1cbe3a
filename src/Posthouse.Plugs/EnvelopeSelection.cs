namespace Posthouse.Plugs;

/// <summary>One envelope, all of one message, or all there are (the default value).</summary>
public readonly record struct EnvelopeSelection
{
    /// <summary>Every envelope.</summary>
    public static EnvelopeSelection All => default;

    /// <summary>The message selected, or none.</summary>
    public MessageId Message { get; private init; }

    /// <summary>The envelope selected, or zero.</summary>
    public EnvelopeId Envelope { get; private init; }

    /// <summary>Whether it selects everything.</summary>
    public bool IsAll => Message.IsNone && Envelope.Value == 0;

    /// <summary>All envelopes of one message.</summary>
    public static EnvelopeSelection Of(MessageId message) => new() { Message = message };

    /// <summary>One envelope.</summary>
    public static EnvelopeSelection Of(EnvelopeId envelope) => new() { Envelope = envelope };

    /// <summary>Whether <paramref name="envelope"/> is selected.</summary>
    public bool Contains(EnvelopeId envelope) => IsAll || Envelope == envelope || (!Message.IsNone && envelope.Message == Message);

    /// <summary>Reads <c>*</c> or <c>all</c>, 8 hex digits (a message) or 16 (an envelope).</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out EnvelopeSelection selection)
    {
        selection = default;
        if (text is "*" or "all") return true;
        if (MessageId.TryParse(text, out MessageId message)) selection = Of(message);
        else if (EnvelopeId.TryParse(text, out EnvelopeId envelope)) selection = Of(envelope);
        else return false;
        return true;
    }

    /// <summary>The text that <see cref="TryParse"/> reads.</summary>
    public override string ToString() => IsAll ? "*" : Message.IsNone ? Envelope.ToString() : Message.ToString();
}

namespace Posthouse.Plugs;

/// <summary>The part of an envelope that a scheduler sees. Times are seconds since 1970, sizes bytes.</summary>
public readonly record struct ScheduledEnvelope
{
    /// <summary>The envelope's id.</summary>
    public required EnvelopeId Id { get; init; }

    /// <summary>How it leaves.</summary>
    public required EnvelopeKind Kind { get; init; }

    /// <summary>The action by name.</summary>
    public string? Action { get; init; }

    /// <summary>Envelope sender.</summary>
    public string? Sender { get; init; }

    /// <summary>The recipient.</summary>
    public string? Recipient { get; init; }

    /// <summary>Domain of the destination.</summary>
    public string? Domain { get; init; }

    /// <summary>The listener's tag.</summary>
    public string? Tag { get; init; }

    /// <summary>Size of the message.</summary>
    public long Size { get; init; }

    /// <summary>When it was accepted.</summary>
    public required long Created { get; init; }

    /// <summary>When it is given up.</summary>
    public required long Expires { get; init; }

    /// <summary>How often delivery was tried.</summary>
    public int Tries { get; init; }

    /// <summary>When it was tried last; 0 if never.</summary>
    public long LastTry { get; init; }

    /// <summary>When it is to be tried next; 0 leaves that to the scheduler.</summary>
    public long NextTry { get; init; }

    /// <summary>The envelope's flags; a suspended one is not handed out.</summary>
    public EnvelopeFlags Flags { get; init; }

    /// <summary>What a scheduler sees of <paramref name="envelope"/>.</summary>
    public static ScheduledEnvelope From(Envelope envelope)
    {
        int at = envelope.Destination.LastIndexOf('@');
        return new()
        {
            Id = envelope.Id,
            Kind = envelope.Kind,
            Action = envelope.Action,
            Sender = envelope.Sender,
            Recipient = envelope.Recipient,
            Domain = at < 0 ? null : envelope.Destination[(at + 1)..],
            Tag = envelope.Tag,
            Size = envelope.Size,
            Created = envelope.Created,
            Expires = envelope.Expires,
            Tries = envelope.Tries,
            LastTry = envelope.LastTry,
            NextTry = envelope.NextTry,
            Flags = envelope.Flags,
        };
    }
}

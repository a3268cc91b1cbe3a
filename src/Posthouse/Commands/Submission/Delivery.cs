namespace Posthouse.Commands.Submission;

/// <summary>Who sends a message to whom, and what the sender wants to hear of it (RFC 3461).</summary>
/// <param name="Sender">Envelope sender; empty is the null sender.</param>
/// <param name="Recipients">At least one.</param>
public sealed record Delivery(string Sender, IReadOnlyList<string> Recipients)
{
    /// <summary>NOTIFY: <c>never</c>, or some of <c>success,failure,delay</c>.</summary>
    public string? Notify { get; init; }

    /// <summary>RET: <c>full</c> or <c>hdrs</c>.</summary>
    public string? Return { get; init; }

    /// <summary>ENVID, as the sender wrote it.</summary>
    public string? EnvelopeId { get; init; }
}

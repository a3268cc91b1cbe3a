namespace Posthouse.Commands.Trials;

/// <summary>What <c>posthouse filter run --json</c> prints.</summary>
internal sealed record FilterRunResult
{
    /// <summary><c>accepted</c>, <c>junk</c>, <c>rejected</c>, <c>tempfail</c>, <c>disconnected</c>, or <c>unready</c>: the filter never got ready.</summary>
    public required string Verdict { get; init; }

    /// <summary>The reply that decided, in one line.</summary>
    public string? Reply { get; init; }

    /// <summary>Whether the message that was accepted is marked as spam.</summary>
    public bool Junk { get; init; }

    /// <summary>How often the filter was started again.</summary>
    public int Restarts { get; init; }

    /// <summary>Whether the message that was accepted is another than the one that the filter was given.</summary>
    public bool Changed { get; init; }

    /// <summary>The lines that went and came.</summary>
    public IReadOnlyList<string>? Difference { get; init; }

    /// <summary>Recipients refused while others were accepted: address and reply.</summary>
    public IReadOnlyList<string>? RefusedRecipients { get; init; }

    /// <summary>Why the filter is not ready, or what was not as the script expects.</summary>
    public string? Error { get; init; }

    /// <summary>The line of the script that was not met.</summary>
    public int? ScriptLine { get; init; }

    /// <summary>The dialogue.</summary>
    public IReadOnlyList<string>? Lines { get; init; }
}

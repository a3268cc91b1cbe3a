namespace Posthouse.Commands.Submission;

/// <summary>How a submission ended: an exit status of sysexits(3), and what to tell the user when it failed.</summary>
public sealed record SubmissionResult(int Status, string Text)
{
    /// <summary>Whether no server answered at all.</summary>
    public bool IsUnanswered { get; init; }
}

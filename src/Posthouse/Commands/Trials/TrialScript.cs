namespace Posthouse.Commands.Trials;

/// <summary>
/// A dialogue of a client: a line is said as it stands and its reply awaited. <c>.mail</c> sends the mail and its final dot, <c>expect CODE [TEXT]</c> and <c>expect closed</c>
/// check the last reply; lines that are empty or begin with <c>#</c> are not heeded.
/// </summary>
internal sealed class TrialScript
{
    private const string ExpectWord = "expect ";

    private TrialScript(IReadOnlyList<Step> steps) => Steps = steps;

    internal enum StepKind
    {
        /// <summary>Say the line.</summary>
        Say,

        /// <summary>Send the mail.</summary>
        SendMail,

        /// <summary>The last reply must be so.</summary>
        Expect,
    }

    internal IReadOnlyList<Step> Steps { get; }

    /// <summary>Whether it has expectations; then they alone decide.</summary>
    internal bool Expects => Steps.Any(static step => step.Kind == StepKind.Expect);

    internal bool SendsMail => Steps.Any(static step => step.Kind == StepKind.SendMail);

    /// <summary>Reads a script; null with the error and its line.</summary>
    internal static TrialScript? Parse(string text, out string? error)
    {
        error = null;
        List<Step> steps = [];
        string[] lines = text.Split('\n');
        for (int i = 0; i < lines.Length && error is null; i++)
        {
            string line = lines[i].TrimEnd('\r');
            if (line.Length == 0 || line[0] == '#') continue;
            if (line.TrimEnd() == ".mail") steps.Add(new(i + 1, StepKind.SendMail, ""));
            else if (line[0] == '.') error = $"{i + 1}: {line} is unknown: only .mail begins with a dot";
            else if (!line.StartsWith(ExpectWord, StringComparison.Ordinal)) steps.Add(new(i + 1, StepKind.Say, line));
            else if (line[ExpectWord.Length..].Trim() is var expected && IsExpectation(expected)) steps.Add(new(i + 1, StepKind.Expect, expected));
            else error = $"{i + 1}: expect a reply, as in expect 550, or closed";
        }
        return error is null ? new(steps) : null;
    }

    private static bool IsExpectation(string text) =>
        text == "closed" || (text.Length >= 3 && text.AsSpan(0, 3).IndexOfAnyExceptInRange('0', '9') < 0 && (text.Length == 3 || text[3] == ' '));

    /// <summary>One line of it, by its number.</summary>
    internal readonly record struct Step(int Line, StepKind Kind, string Text);
}

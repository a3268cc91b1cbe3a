using Posthouse.Server.Control;

namespace Posthouse.Commands;

/// <summary>
/// The words of smtpctl: which there are, how they may be abbreviated (to what no other word at that place begins with),
/// and what each means to the server.
/// </summary>
public sealed record ControlCommandLine(string Verb, string? Argument, ControlOutput Output)
{
    private static readonly Pattern[] s_patterns =
    [
        new("discover <evpid|msgid>", ControlVerb.Discover, ControlOutput.Discovered),
        new("encrypt", "encrypt", ControlOutput.Encrypt),
        new("encrypt <string>", "encrypt", ControlOutput.Encrypt),
        new("log brief", ControlVerb.Log, ControlOutput.Verdict),
        new("log verbose", ControlVerb.Log, ControlOutput.Verdict),
        new("monitor", ControlVerb.Stats, ControlOutput.Monitor),
        new("pause envelope <evpid|msgid|all>", ControlVerb.Suspend, ControlOutput.Paused),
        new("pause mda", ControlVerb.Pause, ControlOutput.Verdict),
        new("pause mta", ControlVerb.Pause, ControlOutput.Verdict),
        new("pause smtp", ControlVerb.Pause, ControlOutput.Verdict),
        new("reload", ControlVerb.Reload, ControlOutput.Verdict),
        new("remove <evpid|msgid|all>", ControlVerb.Remove, ControlOutput.Removed),
        new("resume envelope <evpid|msgid|all>", ControlVerb.Unsuspend, ControlOutput.Resumed),
        new("resume mda", ControlVerb.Resume, ControlOutput.Verdict),
        new("resume mta", ControlVerb.Resume, ControlOutput.Verdict),
        new("resume smtp", ControlVerb.Resume, ControlOutput.Verdict),
        new("schedule <evpid|msgid|all>", ControlVerb.Schedule, ControlOutput.Scheduled),
        new("show envelope <evpid>", ControlVerb.Envelope, ControlOutput.Envelope),
        new("show filters", ControlVerb.Filters, ControlOutput.Filters),
        new("show message <evpid|msgid>", ControlVerb.Message, ControlOutput.Content),
        new("show queue", ControlVerb.Queue, ControlOutput.Queue),
        new("show queue <evpid|msgid>", ControlVerb.Queue, ControlOutput.Queue),
        new("show stats", ControlVerb.Stats, ControlOutput.Stats),
        new("show status", ControlVerb.Status, ControlOutput.Status),
        new("trace <subsystem>", ControlVerb.Trace, ControlOutput.Verdict),
        new("untrace <subsystem>", ControlVerb.Untrace, ControlOutput.Verdict),
        new("update table <name>", ControlVerb.UpdateTable, ControlOutput.Verdict),
    ];

    /// <summary>All commands, one a line.</summary>
    public static string Usage { get; } = string.Join('\n', s_patterns.Select(static pattern => $"  {pattern.Text}"));

    /// <summary>Reads the words after the options; null, with the reason in <paramref name="error"/>, when they are no command.</summary>
    public static ControlCommandLine? Parse(IReadOnlyList<string> words, out string? error)
    {
        List<Pattern> candidates = [.. s_patterns];
        string? argument = null;
        for (int index = 0; index < words.Count; index++)
        {
            string word = words[index];
            string[] keywords = [.. candidates.Select(pattern => pattern.At(index)).Where(static at => at is not null and not ['<', ..]).Distinct()!];
            string[] meant = keywords.Contains(word) ? [word] : [.. keywords.Where(keyword => keyword.StartsWith(word, StringComparison.Ordinal) && word.Length > 0)];
            if (meant.Length > 1)
            {
                error = $"ambiguous word \"{word}\": {string.Join(" or ", meant)}";
                return null;
            }
            candidates = meant.Length == 1
                ? candidates.FindAll(pattern => pattern.At(index) == meant[0])
                : candidates.FindAll(pattern => pattern.At(index) is ['<', ..]);
            if (candidates.Count == 0)
            {
                error = $"unexpected word \"{word}\"";
                return null;
            }
            argument = meant.Length == 1 ? meant[0] : word;
        }
        if (candidates.Find(pattern => pattern.Count == words.Count) is not { } found)
        {
            error = words.Count == 0 ? "no command" : $"incomplete: {string.Join(", ", candidates.Select(static pattern => pattern.Text))}";
            return null;
        }
        error = null;
        // "show stats" has no argument; of "pause mda" and "log brief" it is the keyword.
        bool hasArgument = found.HasParameter || found.Verb is ControlVerb.Pause or ControlVerb.Resume or ControlVerb.Log;
        return new ControlCommandLine(found.Verb, hasArgument ? argument : null, found.Output);
    }

    private sealed record Pattern(string Text, string Verb, ControlOutput Output)
    {
        private readonly string[] _words = Text.Split(' ');

        public int Count => _words.Length;

        public bool HasParameter => _words[^1][0] == '<';

        public string? At(int index) => index < _words.Length ? _words[index] : null;
    }
}

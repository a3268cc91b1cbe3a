using System.Text;

namespace Posthouse.Server.Processes;

/// <summary>
/// The command of a plug, as it is run. It is the administrator's text: split into words without a shell (<c>'…'</c>, <c>"…"</c> and backslash as in sh), unless it has what
/// only a shell understands; then <c>/bin/sh</c> runs it, and is replaced by it.
/// </summary>
/// <param name="Arguments">The program and its arguments.</param>
/// <param name="IsShell">Whether the program is the shell.</param>
internal sealed record PlugCommandLine(IReadOnlyList<string> Arguments, bool IsShell)
{
    private const string Shell = "/bin/sh";

    // Outside quotes. Of these the shell heeds $ and ` within double quotes too.
    private const string ShellSyntax = "$`;|&<>(){}*?[\n";

    /// <summary>Where a program named without a leading slash is looked for, in this order; programs of the system (<c>python3 …</c>) come behind those made for mail servers.</summary>
    internal static IReadOnlyList<string> Directories { get; } =
    [
        "/usr/local/libexec/posthouse", "/usr/libexec/posthouse", "/usr/local/libexec/smtpd", "/usr/libexec/opensmtpd", "/usr/lib/opensmtpd",
        "/usr/local/bin", "/usr/bin", "/bin",
    ];

    /// <summary>The same as a <c>PATH</c>, which a plug gets as its environment: so its shell and its own programs look there too.</summary>
    internal static string SearchPath { get; } = string.Join(':', Directories);

    /// <summary>Reads a command; null, with the reason, when it is none.</summary>
    internal static PlugCommandLine? Parse(string command, out string? failure)
    {
        failure = null;
        if (command.Contains('\0')) failure = "the command has a NUL";
        else if (string.IsNullOrWhiteSpace(command)) failure = "the command is empty";
        if (failure is not null) return null;
        command = command.TrimStart();
        // exec takes no assignments in front of a program, and env does.
        if (BeginsWithAssignment(command)) return new([Shell, "-c", "exec env " + command], IsShell: true);
        List<string> words = [];
        if (Split(command, words, out bool isClosed)) return new([Shell, "-c", "exec " + command], IsShell: true);
        if (!isClosed) failure = "a quote in the command is not closed";
        else if (words[0].Length == 0) failure = "the command names no program";
        return failure is null ? new(words, IsShell: false) : null;
    }

    // Whether a shell is needed; otherwise the words.
    private static bool Split(string command, List<string> words, out bool isClosed)
    {
        StringBuilder word = new();
        bool isInWord = false;
        char quote = '\0';
        isClosed = true;
        for (int i = 0; i < command.Length; i++)
        {
            char next = command[i];
            if (quote == '\'')
            {
                if (next == quote) quote = '\0';
                else word.Append(next);
            }
            else if (quote == '"')
            {
                if (next is '$' or '`') return true;
                if (next == quote) quote = '\0';
                else word.Append(next == '\\' && i + 1 < command.Length && command[i + 1] is '$' or '`' or '"' or '\\' ? command[++i] : next);
            }
            else if (next is ' ' or '\t')
            {
                if (isInWord) words.Add(word.ToString());
                word.Clear();
                isInWord = false;
            }
            else if (ShellSyntax.Contains(next) || (!isInWord && next is '~' or '#'))
            {
                return true;
            }
            else
            {
                isInWord = true;
                if (next is '\'' or '"') quote = next;
                else word.Append(next == '\\' && i + 1 < command.Length ? command[++i] : next);
            }
        }
        if (isInWord) words.Add(word.ToString());
        isClosed = quote == '\0';
        return false;
    }

    private static bool BeginsWithAssignment(string command)
    {
        int end = command.AsSpan().IndexOfAnyExcept("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
        return end > 0 && command[end] == '=' && !char.IsAsciiDigit(command[0]);
    }
}

using System.Buffers;

namespace Posthouse.Server.Delivering.Local;

/// <summary>
/// Tells a command that is just words from one that needs a shell. It needs one when its own text (never a value of the
/// mail) holds any of <c>| &amp; ; &lt; &gt; ( ) $ ` \ " ' * ? [</c> or a line end; when a word begins with <c>#</c> or
/// <c>~</c> (but a leading <c>~/</c> of the whole command is the user's directory); when the first word has a <c>=</c>
/// (an assignment); or when the first word is a reserved word or a command that only a shell has.
/// </summary>
internal static class ShellSyntax
{
    private static readonly SearchValues<char> s_special = SearchValues.Create("|&;<>()$`\\\"'*?[\n\r");

    private static readonly HashSet<string> s_words = new(StringComparer.Ordinal)
    {
        "!", "{", "}", "if", "then", "else", "elif", "fi", "for", "while", "until", "do", "done", "case", "esac",
        ":", ".", "alias", "bg", "break", "cd", "command", "continue", "eval", "exec", "exit", "export", "fg", "getopts", "hash", "jobs",
        "local", "read", "readonly", "return", "set", "shift", "source", "times", "trap", "type", "ulimit", "umask", "unalias", "unset", "wait",
    };

    private static readonly HashSet<string> s_shells = new(StringComparer.Ordinal)
    {
        "sh", "ash", "bash", "dash", "ksh", "mksh", "zsh", "csh", "tcsh", "fish", "busybox", "su", "runuser", "sudo", "doas", "ssh",
    };

    internal static bool IsPresent(FormatTemplate template)
    {
        bool wordStart = true, firstWord = true, sawFirst = false;
        string first = "";
        for (int i = 0; i < template.Pieces.Count; i++)
        {
            FormatTemplate.Piece piece = template.Pieces[i];
            if (piece.Specifier is not null)
            {
                wordStart = false;
                sawFirst = true;
                continue;
            }
            if (piece.Literal.AsSpan().ContainsAny(s_special)) return true;
            for (int at = 0; at < piece.Literal.Length; at++)
            {
                char c = piece.Literal[at];
                if (c is ' ' or '\t')
                {
                    wordStart = true;
                    if (sawFirst) firstWord = false;
                    continue;
                }
                if (wordStart && c == '#') return true;
                if (wordStart && c == '~' && !(i == 0 && at == 0 && piece.Literal.StartsWith("~/", StringComparison.Ordinal))) return true;
                if (firstWord)
                {
                    if (c == '=') return true;
                    first += c;
                }
                wordStart = false;
                sawFirst = true;
            }
        }
        return s_words.Contains(first);
    }

    /// <summary>Whether a word names a program that gives the argument after <c>-c</c> to a shell.</summary>
    internal static bool IsShell(string word) => s_shells.Contains(word[(word.LastIndexOf('/') + 1)..]);

    /// <summary>Whether a word is <c>-c</c>, alone or with other letters before or after it.</summary>
    internal static bool IsScriptOption(string word) => word.Length > 1 && word[0] == '-' && word[1] != '-' && word.Contains('c');
}

using System.Globalization;
using System.Text;

namespace Posthouse.Server.Delivering.Local;

/// <summary>
/// A command that needs a shell: <c>sh -c</c> with its own text, in which each specifier has become a quoted reference
/// to a variable of the environment (PH_1, PH_2, …) that carries the value. A shell expands a variable after it has parsed the text,
/// so no byte of a mail is ever parsed. To put the reference into the right quotes, the text's own quoting is followed:
/// outside of quotes <c>"${PH_1}"</c>, inside double quotes <c>${PH_1}</c>, inside single quotes they are left and entered again.
/// Inside the script of a second shell (<c>sh -c '…'</c>, <c>eval "…"</c>) the reference stays text, for that shell to
/// expand. If the text is so contorted that the following goes wrong, the worst is a value that is split into words, or not expanded.
/// </summary>
internal sealed class ShellCommand
{
    private readonly Stack<char> _closers = new(['\0']);
    private readonly StringBuilder _script = new();
    private readonly StringBuilder _word = new();
    private readonly List<string> _words = [];
    private bool _single;
    private bool _escaped;
    private bool _comment;
    private char _previous;

    private bool InDouble => _closers.Peek() == '"';

    // The word being read is itself a script for another shell.
    private bool IsScript => _words.Contains("eval") || (_words.Count > 0 && ShellSyntax.IsScriptOption(_words[^1]) && _words.Any(ShellSyntax.IsShell));

    internal static DeliveryCommand? Build(FormatTemplate template, FormatValues values, out string? error)
    {
        ShellCommand command = new();
        List<KeyValuePair<string, string>> variables = [];
        error = null;
        foreach (FormatTemplate.Piece piece in template.Pieces)
        {
            if (piece.Specifier is null)
            {
                foreach (char c in piece.Literal) command.Literal(c);
                continue;
            }
            if (DeliveryCommand.Evaluate(piece.Specifier, values, command._word.Length == 0, out error) is not { } value) return null;
            string name = "PH_" + (variables.Count + 1).ToString(CultureInfo.InvariantCulture);
            variables.Add(new(name, value));
            if (command.Reference(name)) continue;
            error = "a format specifier cannot be a shell's script";
            return null;
        }
        return new(["/bin/sh", "-c", command._script.ToString()], variables);
    }

    private bool Reference(string name)
    {
        if (IsScript)
        {
            if (!_single && !InDouble) return false;
            _script.Append(_single ? $"\"${{{name}}}\"" : $"\\\"\\${{{name}}}\\\"");
        }
        else if (_single) _script.Append($"'\"${{{name}}}\"'");
        else _script.Append(InDouble ? $"${{{name}}}" : $"\"${{{name}}}\"");
        _word.Append('x');
        _previous = 'x';
        return true;
    }

    private void Literal(char c)
    {
        _script.Append(c);
        char previous = _previous;
        _previous = c;
        if (_comment)
        {
            _comment = c != '\n';
            return;
        }
        if (_single)
        {
            if (c == '\'') _single = false;
            else _word.Append(c);
            return;
        }
        if (_escaped)
        {
            _escaped = false;
            _word.Append(c);
            _previous = '\0';
            return;
        }
        if (c == '\\')
        {
            _escaped = true;
            return;
        }
        if (InDouble) Quoted(c, previous);
        else Unquoted(c);
    }

    private void Quoted(char c, char previous)
    {
        if (c == '"') _closers.Pop();
        else if (c == '`') _closers.Push('`');
        else if (c == '(' && previous == '$') _closers.Push(')');
        else _word.Append(c);
    }

    private void Unquoted(char c)
    {
        switch (c)
        {
            case '\'':
                _single = true;
                break;
            case '"':
                _closers.Push('"');
                break;
            case '`' when _closers.Peek() == '`':
            case ')' when _closers.Peek() == ')':
                _closers.Pop();
                break;
            case '`':
                _closers.Push('`');
                EndCommand();
                break;
            case '(':
                _closers.Push(')');
                EndCommand();
                break;
            case '#' when _word.Length == 0:
                _comment = true;
                break;
            case ' ' or '\t':
                EndWord();
                break;
            case '|' or '&' or ';' or '\n':
                EndCommand();
                break;
            default:
                _word.Append(c);
                break;
        }
    }

    private void EndWord()
    {
        if (_word.Length > 0) _words.Add(_word.ToString());
        _word.Clear();
    }

    private void EndCommand()
    {
        _word.Clear();
        _words.Clear();
    }
}

using System.Text;

namespace Posthouse.Server.Delivering.Local;

/// <summary>A command of words only: it runs as an argument vector, and a specifier's value stays within its word whatever it holds.</summary>
internal static class PlainCommand
{
    internal static DeliveryCommand? Build(FormatTemplate template, FormatValues values, out string? error)
    {
        List<string> arguments = [];
        StringBuilder word = new();
        bool inWord = false, hasSpecifier = false;
        error = null;
        foreach (FormatTemplate.Piece piece in template.Pieces)
        {
            if (piece.Specifier is { } specifier)
            {
                if (arguments.Count == 0 && specifier.IsFromMail) error = "a mail cannot name the program to run";
                else if (DeliveryCommand.Evaluate(specifier, values, word.Length == 0, out error) is { } value) word.Append(value);
                if (error is not null) return null;
                inWord = hasSpecifier = true;
                continue;
            }
            foreach (char c in piece.Literal)
            {
                if (c is ' ' or '\t')
                {
                    if (inWord && !TryEnd(ref error)) return null;
                }
                else
                {
                    word.Append(c);
                    inWord = true;
                }
            }
        }
        if (inWord && !TryEnd(ref error)) return null;
        if (arguments.Count == 0 || arguments[0].Length == 0)
        {
            error = "the command is empty";
            return null;
        }
        if (arguments[0].StartsWith("~/", StringComparison.Ordinal)) arguments[0] = values.UserDirectory + arguments[0][1..];
        return new(arguments, []);

        bool TryEnd(ref string? failure)
        {
            if (hasSpecifier && arguments.Count > 1 && ShellSyntax.IsScriptOption(arguments[^1]) && arguments.Any(ShellSyntax.IsShell))
            {
                failure = "a format specifier cannot be a shell's script";
                return false;
            }
            arguments.Add(word.ToString());
            word.Clear();
            inWord = hasSpecifier = false;
            return true;
        }
    }
}

namespace Posthouse.Server.Delivering.Local;

/// <summary>A command ready to run: its argument vector, and what its format specifiers add to the environment.</summary>
internal sealed record DeliveryCommand(IReadOnlyList<string> Arguments, IReadOnlyList<KeyValuePair<string, string>> Variables)
{
    /// <summary>Longest value of one format specifier in bytes.</summary>
    internal const int MaxValue = FormatTemplate.MaxResult;

    /// <summary>
    /// Makes a command from its text and the values of this delivery, with <c>%{mda}</c> of <paramref name="wrapper"/>
    /// standing for the text when there is one. Null with an <paramref name="error"/> when a specifier cannot be obeyed.
    /// </summary>
    internal static DeliveryCommand? Prepare(string text, string? wrapper, FormatValues values, out string? error)
    {
        if (wrapper is not null) text = wrapper.Replace("%{mda}", text, StringComparison.OrdinalIgnoreCase);
        if (FormatTemplate.Parse(text, out error) is not { } template) return null;
        return ShellSyntax.IsPresent(template) ? ShellCommand.Build(template, values, out error) : PlainCommand.Build(template, values, out error);
    }

    /// <summary>The value of a specifier for an argument; null with an <paramref name="error"/>.</summary>
    internal static string? Evaluate(FormatSpecifier specifier, FormatValues values, bool beginsArgument, out string? error)
    {
        if (specifier.Evaluate(values, out error) is not { } value) return null;
        if (beginsArgument && value.StartsWith('-')) error = $"%{{{specifier.Name}}} would be an option";
        else if (System.Text.Encoding.UTF8.GetByteCount(value) > MaxValue) error = $"%{{{specifier.Name}}} is too long";
        return error is null ? value : null;
    }
}

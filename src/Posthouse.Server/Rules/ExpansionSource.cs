using System.Globalization;

namespace Posthouse.Server.Rules;

/// <summary>
/// Names a command or file of an alias or .forward without holding it: <c>alias:KEY:INDEX</c> is element INDEX (from 0) of
/// the entry KEY in the alias or virtual table of the envelope's action, <c>forward:USER:INDEX</c> of a user's .forward.
/// An element of an included file has a second index: <c>alias:KEY:INDEX.INDEX</c>.
/// </summary>
public readonly record struct ExpansionSource(bool IsForward, string Key, int Index, int IncludedIndex = -1)
{
    /// <summary>Reads what <see cref="ToString"/> writes.</summary>
    public static bool TryParse(string? text, out ExpansionSource source)
    {
        source = default;
        int first = text?.IndexOf(':', StringComparison.Ordinal) ?? -1;
        int last = text?.LastIndexOf(':') ?? -1;
        if (first < 0 || last <= first + 1)
            return false;
        string kind = text![..first];
        string[] numbers = text[(last + 1)..].Split('.');
        int included = -1;
        if (kind is not ("alias" or "forward") || numbers.Length > 2 || !TryNumber(numbers[0], out int index)
            || (numbers.Length == 2 && !TryNumber(numbers[1], out included)))
            return false;
        source = new(kind == "forward", text[(first + 1)..last], index, included);
        return true;
    }

    /// <summary>The form that stands in envelopes.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{(IsForward ? "forward" : "alias")}:{Key}:{Index}{(IncludedIndex < 0 ? "" : $".{IncludedIndex.ToString(CultureInfo.InvariantCulture)}")}");

    private static bool TryNumber(string text, out int number) => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number);
}

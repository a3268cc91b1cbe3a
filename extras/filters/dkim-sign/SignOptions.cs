using System.Globalization;

namespace Posthouse.DkimSign;

/// <summary>The command line.</summary>
internal sealed record SignOptions(string Table)
{
    public const string Usage = """
        usage: dkim-sign TABLE [--sender] [--authenticated] [--on-error tempfail|pass] [--expire DAYS] [--header NAME …]
          TABLE             lines of DOMAIN SELECTOR KEYFILE; * for every other domain
          --sender          the domain is the envelope sender's, not that of From
          --authenticated   only mail of authenticated or local users is signed
          --on-error        what happens to mail that cannot be signed: 451 (tempfail, default), or it goes on unsigned
          --expire DAYS     signatures are good for so long
          --header NAME     one more header field that is signed where it stands
        """;

    public bool UsesEnvelope { get; private set; }

    public bool NeedsAuthentication { get; private set; }

    public bool PassesUnsigned { get; private set; }

    public int ExpireDays { get; private set; }

    public List<string> Headers { get; } = [];

    /// <summary>Null when the arguments are not understood.</summary>
    public static SignOptions? Parse(string[] args)
    {
        if (args is not [{ Length: > 0 } table, ..] || table.StartsWith('-')) return null;
        SignOptions options = new(table);
        for (int i = 1; i < args.Length; i++)
        {
            string? value = i + 1 < args.Length ? args[i + 1] : null;
            switch (args[i])
            {
                case "--sender": options.UsesEnvelope = true; continue;
                case "--authenticated": options.NeedsAuthentication = true; continue;
                case "--on-error" when value is "pass" or "tempfail": options.PassesUnsigned = value == "pass"; break;
                case "--expire" when int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int days) && days is > 0 and < 3650: options.ExpireDays = days; break;
                case "--header" when value is { Length: > 0 } && value.All(static c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_'): options.Headers.Add(value); break;
                default: return null;
            }

            i++;
        }

        return options;
    }
}

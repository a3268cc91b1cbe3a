using System.Globalization;

namespace Posthouse.Fuzz;

/// <summary>The command line.</summary>
internal sealed record FuzzOptions
{
    public const string Usage = """
        usage: Posthouse.Fuzz TARGET|all [--seconds N] [--seed S] [--corpus DIR]
               Posthouse.Fuzz TARGET --file FILE

        Runs the corpus and then mutations of it, N seconds (60) for each target, always the same ones for one seed (1).
        What a target fails on is written to crash-TARGET-… here, and the exit status is 1. --file runs one input again.
        """;

    public IReadOnlyList<FuzzTarget> Targets { get; private init; } = [];

    public TimeSpan Time { get; private init; } = TimeSpan.FromSeconds(60);

    public int Seed { get; private init; } = 1;

    public string? Corpus { get; private init; }

    public string? File { get; private init; }

    /// <summary>Null when this is not a command line of ours.</summary>
    public static FuzzOptions? Parse(string[] arguments)
    {
        if (arguments.Length % 2 == 0)
            return null;
        var options = new FuzzOptions { Targets = [.. FuzzTarget.All.Where(target => arguments[0] is "all" || target.Name == arguments[0])] };
        for (int i = 1; i < arguments.Length; i += 2)
        {
            string value = arguments[i + 1];
            bool isNumber = int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out int number);
            switch (arguments[i])
            {
                case "--seconds" when isNumber:
                    options = options with { Time = TimeSpan.FromSeconds(number) };
                    break;
                case "--seed" when isNumber:
                    options = options with { Seed = number };
                    break;
                case "--corpus":
                    options = options with { Corpus = value };
                    break;
                case "--file":
                    options = options with { File = value };
                    break;
                default:
                    return null;
            }
        }

        return options.Targets.Count == 0 || (options.File is not null && options.Targets.Count != 1) ? null : options;
    }
}

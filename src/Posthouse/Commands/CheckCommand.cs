using Posthouse.Server.Configuration;

namespace Posthouse.Commands;

/// <summary><c>posthouse check</c>: says what is wrong with a configuration, all of it.</summary>
public static class CheckCommand
{
    private const string Usage = "usage: posthouse check [-f FILE] [-D name=value] [--json]\n";

    /// <summary>Exit status 0 when the configuration can be used, else 1.</summary>
    public static int Run(string[] args)
    {
        ArgumentReader reader = new(args);
        string? file = null;
        bool json = false, verbose = false;
        Dictionary<string, string> defines = new(StringComparer.Ordinal);
        while (reader.NextOption() is { } option)
        {
            switch (option)
            {
                case "-f" when reader.Value() is { } value:
                    file = value;
                    break;
                case "-D" when ConfigurationFile.TryDefine(defines, reader.Value()):
                    break;
                case "--json":
                    json = true;
                    break;
                case "-v":
                    verbose = true;
                    break;
                default:
                    return Misuse();
            }
        }

        if (reader.Rest.Count > 1 || (reader.Rest.Count == 1 && file is not null)) return Misuse();
        return Report(ConfigurationFile.Read(file ?? reader.Rest.FirstOrDefault(), defines, verbose), json);
    }

    /// <summary>Prints the diagnostics, to standard error or as JSON to standard output; answers the exit status.</summary>
    public static int Report(ConfigurationResult result, bool json)
    {
        if (json)
        {
            Console.Out.WriteLine(Diagnostic.ToJson(result.Diagnostics));
            return result.IsValid ? 0 : 1;
        }

        foreach (Diagnostic diagnostic in result.Diagnostics) Console.Error.WriteLine(diagnostic);
        foreach (UnsupportedFeature feature in result.Configuration?.UnsupportedFeatures ?? [])
            Console.Error.WriteLine($"{feature.Position}: warning: {feature.What}: not supported by this version");
        if (result.IsValid) Console.Error.WriteLine("configuration OK");
        return result.IsValid ? 0 : 1;
    }

    private static int Misuse()
    {
        Console.Error.Write(Usage);
        return 1;
    }
}

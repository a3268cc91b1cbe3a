using Posthouse.Server.Configuration;

namespace Posthouse.Commands;

/// <summary>Finds the configuration and reads it.</summary>
internal static class ConfigurationFile
{
    private static readonly string[] s_places = ["/etc/posthouse/smtpd.conf", "/etc/mail/smtpd.conf", "/etc/smtpd.conf"];

    /// <summary>The file given, or the first that exists of the usual places, or the first of those.</summary>
    public static string Find(string? given) => given ?? Array.Find(s_places, File.Exists) ?? s_places[0];

    /// <summary>Reads it; whether it is valid or not, the result has all diagnostics.</summary>
    public static ConfigurationResult Read(string? given, IReadOnlyDictionary<string, string> defines, bool verbose) =>
        ConfigurationParser.Parse(Find(given), defines, new SystemConfigurationEnvironment(), verbose);

    /// <summary>Adds <c>name=value</c>; false when it is not of that form.</summary>
    public static bool TryDefine(Dictionary<string, string> defines, string? definition)
    {
        int equals = definition?.IndexOf('=', StringComparison.Ordinal) ?? -1;
        if (equals < 1) return false;
        defines[definition![..equals]] = definition[(equals + 1)..];
        return true;
    }
}

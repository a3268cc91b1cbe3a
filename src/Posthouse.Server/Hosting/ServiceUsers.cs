namespace Posthouse.Server.Hosting;

/// <summary>The users that the parts of a server started by root run as; each owns nothing.</summary>
/// <param name="Engine">Sessions, queue and scheduler.</param>
/// <param name="Keys">The holder of private keys.</param>
/// <param name="Plug">Filters, tables and other plugs without a user of their own.</param>
/// <param name="Mda">Commands of aliases.</param>
public sealed record ServiceUsers(string Engine, string Keys, string Plug, string Mda)
{
    /// <summary>The users that a package makes.</summary>
    public static ServiceUsers Default { get; } = new("_posthouse", "_posthouse-keys", "_posthouse-plug", "_posthouse-mda");

    /// <summary>The four names.</summary>
    public IReadOnlyList<string> All => [Engine, Keys, Plug, Mda];

    /// <summary>Reads <c>ENGINE,KEYS,PLUG,MDA</c>.</summary>
    public static bool TryParse(string text, out ServiceUsers users)
    {
        string[] names = text.Split(',');
        users = Default;
        if (names.Length != 4 || names.Any(string.IsNullOrWhiteSpace)) return false;
        users = new(names[0], names[1], names[2], names[3]);
        return true;
    }
}

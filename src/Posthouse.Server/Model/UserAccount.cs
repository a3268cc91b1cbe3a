namespace Posthouse.Server.Model;

/// <summary>A user that mail is delivered as: of the system, or of a userbase table (<c>uid:gid:home</c>).</summary>
public sealed record UserAccount(string Name, uint Uid, uint Gid, string Home)
{
    /// <summary>Login shell, for the environment of commands.</summary>
    public string Shell { get; init; } = "/bin/sh";
}

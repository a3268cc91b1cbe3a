using Posthouse.Server.Model;

namespace Posthouse.Server.Processes;

/// <summary>The users that the server's own processes run as, when it was started as root. All null otherwise.</summary>
/// <param name="Engine">The user of the sessions and the queue.</param>
/// <param name="Keys">The user that holds private keys.</param>
/// <param name="Plug">The default user of plugs.</param>
/// <param name="Mda">The user that runs the commands of aliases; it owns nothing.</param>
public sealed record ServerUsers(UserAccount? Engine, UserAccount? Keys, UserAccount? Plug, UserAccount? Mda)
{
    /// <summary>Nobody changes identity: the server was not started as root.</summary>
    public static ServerUsers None { get; } = new(null, null, null, null);

    /// <summary>Whether no plug may run as that user, because it holds the mail or the keys. Giving the plugs' user to the server as well says that they need no separation.</summary>
    public bool ForbidPlug(uint uid) => uid != Plug?.Uid && (uid == Engine?.Uid || uid == Keys?.Uid);

    /// <summary>Whether no mail may be delivered as that user, because it is one of the server's own. Giving the deliveries' user to the server as well says that they need no separation.</summary>
    public bool Forbid(uint uid) => uid != Mda?.Uid && (uid == Engine?.Uid || uid == Keys?.Uid || uid == Plug?.Uid);
}

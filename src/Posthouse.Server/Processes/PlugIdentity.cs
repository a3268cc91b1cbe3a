using Posthouse.Server.Model;
using Posthouse.Server.Native;

namespace Posthouse.Server.Processes;

/// <summary>Whom a plug runs as.</summary>
internal static class PlugIdentity
{
    /// <summary>The user and group of a plug: its own, or the server's for plugs. Null, with the reason, when they are unknown or not to be had. May block for as long as the name service does.</summary>
    internal static UserAccount? Find(PlugCommand command, ServerUsers users, out string? failure)
    {
        int error = 0;
        UserAccount? account = command.User is { } name ? SystemAccounts.Find(name, out error) : users.Plug;
        failure = account switch
        {
            null when error != 0 => $"user {command.User} cannot be looked up: {Errno.Text(error)}",
            null => command.User is null ? "the server has no user for plugs" : $"user {command.User} does not exist",
            { Uid: 0 } => $"user {account.Name} is root",
            _ when users.ForbidPlug(account.Uid) => $"user {account.Name} is the server's own",
            _ => null,
        };
        if (failure is not null || command.Group is null) return failure is null ? account : null;
        uint? group = SystemAccounts.FindGroup(command.Group, out error);
        if (group is { } number) return account! with { Gid = number };
        failure = error != 0 ? $"group {command.Group} cannot be looked up: {Errno.Text(error)}" : $"group {command.Group} does not exist";
        return null;
    }
}

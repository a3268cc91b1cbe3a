using Posthouse.Server.Model;
using Posthouse.Server.Native;
using Posthouse.Server.Processes;

namespace Posthouse.Server.Delivering.Local;

/// <summary>
/// As whom a worker works. Users without an account of the system's share one when their numbers are the same, and all
/// do when the server was started by an ordinary user: a process that may do the same need not be there twice.
/// </summary>
/// <param name="Changes">Whether it takes the identity that follows; else it stays who the server is.</param>
/// <param name="Uid">User.</param>
/// <param name="Gid">Group.</param>
/// <param name="GroupList">Supplementary groups, separated by blanks.</param>
internal readonly record struct WorkerIdentity(bool Changes, uint Uid, uint Gid, string GroupList)
{
    /// <summary>For mail of a user. Only root's own mailbox is written by root.</summary>
    internal static WorkerIdentity Of(UserAccount account, bool changesIdentity) => changesIdentity && account.Uid != 0
        ? new(true, account.Uid, account.Gid, string.Join(' ', SystemAccounts.Groups(account).Order()))
        : new(false, 0, 0, "");

    /// <summary>The request for a worker that is this.</summary>
    internal ChildRequest Request(IReadOnlyList<string> words) => new()
    {
        Words = words,
        ChangesIdentity = Changes,
        Uid = Uid,
        Gid = Gid,
        Groups = [.. GroupList.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(uint.Parse)],
    };
}

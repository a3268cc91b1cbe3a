using System.Buffers.Binary;
using System.Text;
using Posthouse.Server.Native;

namespace Posthouse.Server.Processes;

/// <summary>
/// The executable's hidden role: a child that the server starts as itself (root, perhaps), that takes the identity it is
/// told, gives up what it must not keep, and then becomes a program or serves deliveries. A fork of a program with many threads
/// may do next to nothing before it becomes another; a fresh process may do it all in plain code.
/// </summary>
public static class ChildRole
{
    /// <summary>The first argument of a child.</summary>
    public const string Argument = "--role=child";

    internal const int ControlDescriptor = 3;
    private const int FailedExit = 71;

    /// <summary>Whether these are the arguments of a child. What follows the first tells whoever looks at the list of processes what it is, and nothing else.</summary>
    public static bool IsRequested(IReadOnlyList<string> arguments) => arguments is [Argument, _];

    /// <summary>Runs the child: becomes the program asked for, or does one of <paramref name="tasks"/>, by role; answers the exit code.</summary>
    public static int Run(IReadOnlyDictionary<string, ChildTask> tasks)
    {
        byte[] prefix = new byte[4];
        if (!BlockingDescriptor.ReadAll(ControlDescriptor, prefix)) return FailedExit;
        int length = BinaryPrimitives.ReadInt32LittleEndian(prefix);
        if (length is <= 0 or > ChildRequest.MaxSize) return Fail("malformed request");
        byte[] content = new byte[length];
        if (!BlockingDescriptor.ReadAll(ControlDescriptor, content)) return FailedExit;
        if (ChildRequest.Parse(content) is not { } request) return Fail("malformed request");
        ChildTask? task = null;
        if (request.Arguments.Count == 0 && (request.Words.Count == 0 || !tasks.TryGetValue(request.Words[0], out task))) return Fail("unknown role");

        string? failure = task?.Prepare?.Invoke();
        if (request.Root.Length > 0) failure ??= ProcessIdentity.EnterRoot(request.Root);
        if (task is null && request.IsServer)
        {
            // Both as who we still are: the next user need not be able to get to either by its path.
            failure ??= ProcessIdentity.EnterDirectory(request.Directory);
            // Where the kernel cannot, the engine says so when it runs.
            Landlock.Restrict(EngineSandbox.Rules(new(request.Words[0]), new(request.Arguments), []), LandlockNetwork.Client, out _);
        }
        if (request.ChangesIdentity) failure ??= ProcessIdentity.Become(request.Uid, request.Gid, [.. request.Groups]);
        // A worker for root's own mailbox.
        else if (task is not null && SystemAccounts.IsRoot) failure ??= ProcessIdentity.GiveUpCapabilities();
        failure ??= ProcessIdentity.ForbidNewPrivileges();
        ProcessIdentity.MaskFiles();
        ProcessIdentity.ForbidCores();
        if (task is not null || !request.IsServer) failure ??= ProcessIdentity.EnterDirectory(request.Directory);
        if (failure is not null) return Fail(failure);
        if (task is null)
        {
            const string Path = "PATH=";
            string path = request.Environment.FirstOrDefault(static variable => variable.StartsWith(Path, StringComparison.Ordinal)) ?? Path;
            if (!request.IsServer) ProcessIdentity.LimitFiles();
            return Fail(ProcessIdentity.Execute(request.Arguments, request.Environment, path[Path.Length..], ControlDescriptor, request.Kept, request.IsServer));
        }
        Libc.close(ControlDescriptor);
        return task.Serve([.. request.Words.Skip(1)]);
    }

    private static int Fail(string why)
    {
        BlockingDescriptor.WriteAll(ControlDescriptor, Encoding.UTF8.GetBytes(why));
        return FailedExit;
    }
}

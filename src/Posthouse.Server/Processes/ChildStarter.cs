using System.Net.Sockets;
using System.Text;
using Posthouse.Server.Model;
using Posthouse.Server.Native;

namespace Posthouse.Server.Processes;

/// <summary>Starts children in <see cref="ChildRole"/> and waits until each has become what it was told.</summary>
internal sealed class ChildStarter(OwnExecutable executable)
{
    private const int PatienceMilliseconds = 30_000;

    /// <summary>The executable that children are.</summary>
    internal OwnExecutable Executable => executable;

    /// <summary>Makes the request for a child that is <paramref name="account"/> (unless identity is not changed).</summary>
    internal static ChildRequest For(UserAccount account, bool changesIdentity, IReadOnlyList<string> arguments, IReadOnlyList<string> environment) =>
        new()
        {
            Arguments = arguments,
            Environment = environment,
            Directory = account.Home,
            ChangesIdentity = changesIdentity,
            Uid = account.Uid,
            Gid = account.Gid,
            Groups = changesIdentity ? SystemAccounts.Groups(account) : [],
        };

    /// <summary>
    /// Starts a child with these standard descriptors, and <paramref name="more"/> from descriptor 4; blocks for some 20 ms. Null, with the reason, when
    /// it could not be started.
    /// </summary>
    internal int? Start(ChildRequest request, int input, int output, int errors, out string? failure, ReadOnlySpan<int> more = default)
    {
        if (DescriptorPair.Sockets(out int ours, out int theirs) is not 0 and int error)
        {
            failure = Errno.Text(error);
            return null;
        }
        using Socket control = new(new SafeSocketHandle(ours, ownsHandle: true)) { ReceiveTimeout = PatienceMilliseconds, SendTimeout = PatienceMilliseconds };
        error = ChildProcess.Spawn([.. executable.Command, ChildRole.Argument, request.Words is [var role, ..] ? role : "program"], Environment(), [input, output, errors, theirs, .. more], out int process);
        Libc.close(theirs);
        if (error != 0)
        {
            failure = $"{executable.Command[0]}: {Errno.Text(error)}";
            return null;
        }
        try
        {
            control.Send(request.ToBytes());
            byte[] answer = new byte[512];
            int length = control.Receive(answer);
            if (length == 0 && !HasEnded(process, request, out failure)) return process;
            failure = length == 0 ? "it ended at once" : Encoding.UTF8.GetString(answer, 0, length);
        }
        catch (SocketException exception)
        {
            failure = exception.Message;
        }
        ChildProcess.Kill(process);
        ChildProcess.TryReap(process, wait: true, out _, out _);
        return null;
    }

    // A server of deliveries closes its end when it is ready; one that died before closes it too.
    private static bool HasEnded(int process, ChildRequest request, out string? failure)
    {
        failure = null;
        return request.Arguments.Count == 0 && ChildProcess.TryReap(process, wait: false, out _, out _);
    }

    private static List<string> Environment()
    {
        List<string> variables = ["PATH=/usr/bin:/bin", "DOTNET_EnableDiagnostics=0"];
        if (System.Environment.GetEnvironmentVariable("DOTNET_ROOT") is { } root) variables.Add("DOTNET_ROOT=" + root);
        return variables;
    }
}

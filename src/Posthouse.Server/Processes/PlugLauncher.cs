using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;
using Posthouse.Server.Model;
using Posthouse.Server.Native;

namespace Posthouse.Server.Processes;

/// <summary>
/// Starts plugs as children of this process, in a session of their own, with nothing but their standard streams and <c>PATH</c>. They become their user and root directory when
/// <paramref name="users"/> has a user for plugs; otherwise they are whoever we are, which the log says once.
/// </summary>
internal sealed class PlugLauncher(ServerUsers users, OwnExecutable executable, ILogger logger)
{
    private static readonly string[] s_environment = ["PATH=" + PlugCommandLine.SearchPath];

    private readonly ChildStarter _starter = new(executable);
    private int _isUnseparatedSaid;

    private bool ChangesIdentity => users.Plug is not null;

    /// <summary>Starts one process; blocks for some 20 ms. Null, with the reason, when it did not become its program.</summary>
    internal LaunchedPlug? Launch(PlugCommand command, out string? failure, string directory = "/")
    {
        if (PlugCommandLine.Parse(command.Command, out failure) is not { } line) return null;
        string root = ChangesIdentity ? command.Chroot ?? "" : "";
        ChildRequest request = new() { Arguments = Locate(line.Arguments, root, directory), Environment = s_environment, Directory = directory, Root = root };
        if (ChangesIdentity)
        {
            if (PlugIdentity.Find(command, users, out failure) is not { } account) return null;
            request = request with { ChangesIdentity = true, Uid = account.Uid, Gid = account.Gid };
        }
        else if (Interlocked.Exchange(ref _isUnseparatedSaid, 1) == 0)
        {
            ProcessesLog.PlugsNotSeparated(logger, SystemAccounts.Find(SystemAccounts.EffectiveUser, out _)?.Name ?? SystemAccounts.EffectiveUser.ToString(System.Globalization.CultureInfo.InvariantCulture));
        }
        return Start(request, out failure);
    }

    private LaunchedPlug? Start(ChildRequest request, out string? failure)
    {
        int conversation = -1, streams = -1, errors = -1, written = -1;
        int? process = null;
        if (DescriptorPair.Sockets(out conversation, out streams) != 0 || DescriptorPair.Sockets(out errors, out written) != 0) failure = Errno.Text(Errno.Last);
        else process = _starter.Start(request, streams, streams, written, out failure);
        Close(streams, written);
        if (process is { } number) return new(number, new SafeFileHandle(conversation, ownsHandle: true), new SafeFileHandle(errors, ownsHandle: true));
        Close(conversation, errors);
        failure = $"{request.Arguments[0]}: {failure}" + (request.Root.Length > 0 ? $" (in {request.Root})" : "");
        return null;
    }

    // A plain name is looked for by the child, which sees its own root. One that leads into a directory is none that execve(2) would look for.
    private static IReadOnlyList<string> Locate(IReadOnlyList<string> arguments, string root, string directory)
    {
        string program = arguments[0];
        if (program.StartsWith('/') || !program.Contains('/')) return arguments;
        if (directory != "/" && File.Exists(Path.Combine(directory, program))) return [Path.Combine(directory, program), .. arguments.Skip(1)];
        string place = PlugCommandLine.Directories.FirstOrDefault(directory => File.Exists($"{root}{directory}/{program}"), PlugCommandLine.Directories[0]);
        return [$"{place}/{program}", .. arguments.Skip(1)];
    }

    private static void Close(params ReadOnlySpan<int> descriptors)
    {
        foreach (int descriptor in descriptors)
            if (descriptor >= 0) Libc.close(descriptor);
    }
}

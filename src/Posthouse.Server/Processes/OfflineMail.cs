using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;
using Posthouse.Server.Model;
using Posthouse.Server.Native;

namespace Posthouse.Server.Processes;

/// <summary>
/// Takes up the mail of <see cref="OfflineDirectory"/> once the server serves. The parent does this: it opens each file,
/// and hands it as standard input to <c>sendmail</c>, running as the file's owner, which submits it by the socket as that
/// user would. So nothing in a file is ever read with more rights than its owner has. Root's own files are submitted by
/// the user that runs the commands of aliases, since nothing that reads mail runs as root.
/// </summary>
public sealed class OfflineMail
{
    /// <summary>The first argument of <c>sendmail</c> when it submits such a file.</summary>
    public const string Argument = "--offline";

    /// <summary>Exit status of that: the message was taken.</summary>
    public const int Submitted = 0;

    /// <summary>It is not what sendmail wrote.</summary>
    public const int Malformed = 65;

    /// <summary>The server refused it for good.</summary>
    public const int Refused = 69;

    private const int MostFiles = 1000;
    private const long MostBytes = 100 << 20;
    private const int MostPerRound = 50;
    private const int MostUsersAtOnce = 4;
    private const int MostRemembered = 10_000;
    private const int AllowanceForHeader = 1 << 20;

    private static readonly TimeSpan s_interval = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(2);

    private readonly StateDirectory _state;
    private readonly OwnExecutable _executable;
    private readonly ChildStarter _starter;
    private readonly Func<ServerUsers> _users;
    private readonly Func<long> _maxMessageSize;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly ConcurrentDictionary<string, bool> _told = [];

    /// <summary>Does nothing until it runs.</summary>
    /// <param name="state">Whose directory, and whose socket.</param>
    /// <param name="executable">What submits.</param>
    /// <param name="users">The server's users now.</param>
    /// <param name="maxMessageSize">The largest message that the server takes now, in bytes.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">The log.</param>
    public OfflineMail(StateDirectory state, OwnExecutable executable, Func<ServerUsers> users, Func<long> maxMessageSize, TimeProvider time, ILogger logger)
    {
        (_state, _executable, _users, _maxMessageSize, _time, _logger) = (state, executable, users, maxMessageSize, time, logger);
        _starter = new(executable);
    }

    /// <summary>Makes the directory, so that mail can wait there while the server is down; says in the log when that is not possible.</summary>
    public void Prepare()
    {
        using OfflineDirectory? directory = OfflineDirectory.Open(_state, out string? why);
        if (directory is null) ProcessesLog.OfflineUnusable(_logger, why ?? "");
    }

    /// <summary>Looks for mail at once and then every 30 s (at once again after a round that left some), until cancelled. To be started when the server serves.</summary>
    public async Task RunAsync(CancellationToken cancellation)
    {
        try
        {
            while (true)
            {
                if (!await RoundAsync(cancellation)) await Task.Delay(s_interval, _time, cancellation);
            }
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            // Told to stop.
        }
    }

    /// <summary>One look at the directory; whether there is more to do at once.</summary>
    public async Task<bool> RoundAsync(CancellationToken cancellation)
    {
        try
        {
            using OfflineDirectory? directory = OfflineDirectory.Open(_state, out string? why);
            if (directory is null)
            {
                if (_told.TryAdd("", true)) ProcessesLog.OfflineUnusable(_logger, why ?? "");
                return false;
            }
            Dictionary<uint, List<OfflineFile>> owners = directory.List(MostFiles, MostBytes, _time.GetUtcNow());
            bool isMore = false;
            ParallelOptions options = new() { MaxDegreeOfParallelism = MostUsersAtOnce, CancellationToken = cancellation };
            await Parallel.ForEachAsync(owners, options, async (owner, stop) =>
            {
                // One after the other, and only so many: the other users' turn comes within minutes, whatever one has.
                bool goesOn = await Task.Factory.StartNew(() => Submit(directory, owner.Value, stop), stop, TaskCreationOptions.LongRunning, TaskScheduler.Default);
                if (goesOn && owner.Value.Count > MostPerRound) Volatile.Write(ref isMore, true);
            });
            return isMore;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            if (_told.TryAdd("", true)) ProcessesLog.OfflineUnusable(_logger, error.Message);
            return false;
        }
    }

    // Whether the server takes this user's mail.
    private bool Submit(OfflineDirectory directory, List<OfflineFile> files, CancellationToken stop)
    {
        foreach (OfflineFile file in files.Take(MostPerRound))
        {
            if (stop.IsCancellationRequested) return false;
            using SafeFileHandle? opened = directory.OpenMail(file, _maxMessageSize() + AllowanceForHeader, out bool isBad, out string? why);
            if (opened is null)
            {
                if (isBad) SetAside(directory, file, why ?? "");
                else Wait(file, why ?? "");
                continue;
            }
            (int status, string said) = Run(file.Status, opened, stop);
            switch (status)
            {
                case Submitted:
                    directory.Remove(file);
                    _told.TryRemove(file.Name, out _);
                    ProcessesLog.OfflineSubmitted(_logger, file.Name, file.Status.Uid);
                    break;
                case Malformed or Refused:
                    SetAside(directory, file, said);
                    break;
                default:
                    Wait(file, said);
                    return false;
            }
        }
        return true;
    }

    private void SetAside(OfflineDirectory directory, OfflineFile file, string why)
    {
        directory.SetAside(file);
        if (Tell(file)) ProcessesLog.OfflineSetAside(_logger, file.Name, file.Status.Uid, why);
    }

    private void Wait(OfflineFile file, string why)
    {
        if (Tell(file)) ProcessesLog.OfflineWaits(_logger, file.Name, file.Status.Uid, why);
    }

    // Once for each file.
    private bool Tell(OfflineFile file)
    {
        if (_told.Count > MostRemembered) _told.Clear();
        return _told.TryAdd(file.Name, true);
    }

    private (int Status, string Said) Run(FileStatus owner, SafeFileHandle file, CancellationToken stop)
    {
        if (Request(owner, out string? refused) is not { } request) return (Malformed, refused!);
        if (DescriptorPair.Pipe(out int read, out int write) is not 0 and int error) return (-1, Errno.Text(error));
        int? process;
        string? failure;
        try
        {
            process = _starter.Start(request, (int)file.DangerousGetHandle(), write, write, out failure);
        }
        finally
        {
            Libc.close(write);
        }
        if (process is null)
        {
            Libc.close(read);
            return (-1, failure ?? "");
        }
        ProgramExit exit = AwaitedProgram.Finish(process.Value, read, _time, s_limit, stop);
        string said = Encoding.UTF8.GetString(exit.Output).Trim().ReplaceLineEndings(" ");
        return (exit.Signal != 0 || exit.TimedOut ? -1 : exit.Code, said.Length > 0 ? said : exit.TimedOut ? "it took too long" : $"exit status {exit.Code}, signal {exit.Signal}");
    }

    private ChildRequest? Request(FileStatus owner, out string? refused)
    {
        refused = null;
        bool changesIdentity = SystemAccounts.IsRoot;
        UserAccount? account = null;
        uint[] groups = [];
        if (changesIdentity)
        {
            ServerUsers users = _users();
            account = owner.Uid == 0 ? users.Mda : SystemAccounts.Find(owner.Uid, out _);
            if (owner.Uid == 0 && account is not { Uid: > 0 }) refused = "there is nobody to submit root's mail";
            else if (owner.Uid != 0 && users.Forbid(owner.Uid)) refused = "it belongs to a user of the server";
            if (refused is not null) return null;
            if (account is not null) groups = SystemAccounts.Groups(account);
        }
        return new()
        {
            Arguments = [.. _executable.Command, "sendmail", Argument, _state.Path],
            Environment = ["PATH=/usr/bin:/bin", "DOTNET_EnableDiagnostics=0", .. Runtime()],
            ChangesIdentity = changesIdentity,
            Uid = account?.Uid ?? owner.Uid,
            Gid = account?.Gid ?? owner.Gid,
            Groups = groups,
        };
    }

    // A build that is not native finds its runtime by this.
    private static IEnumerable<string> Runtime() => Environment.GetEnvironmentVariable("DOTNET_ROOT") is { } root ? [string.Create(CultureInfo.InvariantCulture, $"DOTNET_ROOT={root}")] : [];
}

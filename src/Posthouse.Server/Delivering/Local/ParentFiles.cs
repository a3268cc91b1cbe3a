using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;
using Posthouse.Server.Configuration;
using Posthouse.Server.Model;
using Posthouse.Server.Native;
using Posthouse.Server.Processes;
using Posthouse.Server.Rules;
using Posthouse.Server.Tables;

namespace Posthouse.Server.Delivering.Local;

/// <summary>
/// The parent's own access to the files that addresses are expanded by. Whatever it is asked by, it finds the user or the
/// path itself, by its own configuration and tables.
/// </summary>
internal sealed class ParentFiles(Func<ConfiguredTables> current, TimeProvider time, ILogger logger) : IExpansionFiles
{
    // A home may lie on a server that is away: then threads stay where they are, but not all who ask.
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);
    private const int Threads = 16;

    private readonly FileThreads _threads = new(Threads);
    private readonly GroupCache _groups = new(time);

    /// <inheritdoc/>
    public async ValueTask<ForwardFile> ReadForwardAsync(string action, string user, CancellationToken cancellation)
    {
        using ConfiguredTables now = current();
        if (now.Configuration.Actions.GetValueOrDefault(action) is not LocalAction local) return new(null, Fault.Temporary("Unknown action", $"action {action}"));
        (UserAccount? account, string? failure) = await ExpansionLookup.AccountAsync(now.Tables, local.Userbase, user, cancellation);
        if (account is null) return new(null, Fault.Temporary("Temporary failure", failure ?? $"there is no user {user}"));
        try
        {
            return await _threads.RunAsync(() => ForwardReader.ReadAsOwner(account, ThreadIdentity.CanChange ? _groups.Of(account) : [], logger)).WaitAsync(s_patience, time, cancellation);
        }
        catch (TimeoutException)
        {
            return new(null, Fault.Temporary("Temporary failure", $".forward of {user} cannot be read in time"));
        }
    }

    /// <inheritdoc/>
    public async ValueTask<IncludedFile> OpenIncludeAsync(string action, string key, int index, CancellationToken cancellation)
    {
        using ConfiguredTables now = current();
        if (now.Configuration.Actions.GetValueOrDefault(action) is not LocalAction { } local || (local.Virtual ?? local.Alias) is not { } table)
            return Fail($"action {action} has no aliases");
        ExpansionAnswer entry = await ExpansionLookup.FirstAsync(now.Tables, table, [key], cancellation);
        if (entry.Failure is not null) return Fail(entry.Failure);
        if (entry.Elements is null || index < 0 || index >= entry.Elements.Count || entry.Elements[index].Kind != ExpansionKind.Include) return Fail($"{key} includes nothing any more");
        string path = entry.Elements[index].Text;
        try
        {
            return await _threads.RunAsync(() => Open(path)).WaitAsync(s_patience, time, cancellation);
        }
        catch (TimeoutException)
        {
            return Fail("it cannot be opened in time");
        }
    }

    // A file only: whoever gets the descriptor must not be able to do anything with it but read.
    private static IncludedFile Open(string path)
    {
        int error = FileDescriptor.Open(path, OpenFlags.ReadOnly | OpenFlags.NonBlocking, 0, out SafeFileHandle? file);
        if (error != 0) return Fail(Errno.Text(error));
        error = FileDescriptor.Status(file!, out FileStatus status);
        if (error == 0 && status.IsRegular) return new(file);
        file!.Dispose();
        return Fail(error != 0 ? Errno.Text(error) : "it is not a regular file");
    }

    private static IncludedFile Fail(string why) => new(null, Fault.Temporary("Temporary failure", why));
}

using System.Net;
using Microsoft.Extensions.Logging;
using Posthouse.Plugs;
using Posthouse.Server.Model;
using Posthouse.Server.Native;
using Posthouse.Server.Processes;

namespace Posthouse.Server.Delivering.Local;

/// <summary>
/// What needs root, done in the server's own process. Started by an ordinary user it does the same without changing
/// identity: every delivery is then made as that user.
/// </summary>
public sealed class InProcessPrivileges : IPrivileges, IDisposable
{
    private readonly LocalSettings _settings;
    private readonly LocalPlanner _planner;
    private readonly FileStorage _files;
    private readonly SystemPasswords _passwords;
    private readonly ChildStarter _starter;
    private readonly WorkerPool _workers;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;

    /// <summary>Works by <paramref name="settings"/>.</summary>
    public InProcessPrivileges(LocalSettings settings, TimeProvider time, ILogger logger)
    {
        ArgumentNullException.ThrowIfNull(settings);
        _settings = settings;
        _planner = new(settings, time);
        _files = new(new(time, settings.HostName), settings.FileThreads);
        _passwords = new(time, logger);
        _starter = new(settings.Executable);
        _workers = new(_starter, settings.HostName, time, logger);
        _time = time;
        _logger = logger;
    }

    /// <inheritdoc/>
    public ValueTask<ListenResult> ListenAsync(EndPoint endPoint, CancellationToken cancellation) => new(ListeningSocket.Bind(endPoint));

    /// <inheritdoc/>
    public ValueTask<ForwardFile> ReadForwardAsync(UserAccount account, CancellationToken cancellation) => new(ForwardReader.Read(account, _logger));

    /// <inheritdoc/>
    public ValueTask<PasswordVerdict> CheckPasswordAsync(string user, string password, CancellationToken cancellation) =>
        _passwords.CheckAsync(user, password, cancellation);

    /// <inheritdoc/>
    public async ValueTask<DeliveryResult> DeliverToFileAsync(FileDelivery delivery, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(delivery);
        (LocalPlan? plan, DeliveryResult? failure) = await _planner.PlanAsync(delivery.Envelope, delivery.IsJunk, cancellation);
        if (plan is not LocalPlan.Store store) return failure ?? DeliveryResult.Temporary("the action stores no file", 3, 5);
        if (!_settings.ChangesIdentity) return await _files.StoreAsync(store.Target, delivery.Content, cancellation);
        if (store.Target is FileTarget.Mbox { System: true } mailbox && SystemMailbox.Ensure(mailbox.Path, store.Account) is { } refused) return refused;
        return store.Account.Uid == SystemAccounts.EffectiveUser
            ? await _files.StoreAsync(store.Target, delivery.Content, cancellation)
            : await _workers.StoreAsync(store.Account, store.Target, delivery.Content, cancellation);
    }

    /// <inheritdoc/>
    public async ValueTask<DeliveryStart> StartDeliveryAsync(Envelope envelope, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(envelope);
        (LocalPlan? plan, DeliveryResult? failure) = await _planner.PlanAsync(envelope, junk: false, cancellation);
        if (plan is not LocalPlan.Run run)
            return new(null, failure is null ? Fault.Temporary("the action runs no program") : new(failure.Outcome == DeliveryOutcome.Permanent, failure.Status, failure.Text));
        if (_settings.ChangesIdentity && run.Target is FileTarget.Mbox { System: true } mailbox && SystemMailbox.Ensure(mailbox.Path, run.Account) is { } refused)
            return new(null, new(refused.Outcome == DeliveryOutcome.Permanent, refused.Status, refused.Text));
        return await Task.Factory.StartNew(() => Start(run, envelope), cancellation, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _workers.Dispose();
        _files.Dispose();
        _passwords.Dispose();
    }

    private DeliveryStart Start(LocalPlan.Run run, Envelope envelope)
    {
        string[] environment = [.. DeliveryEnvironment.Of(envelope, run.Account).Concat(run.Command.Variables).Select(static variable => $"{variable.Key}={variable.Value}")];
        ChildRequest request = ChildStarter.For(run.Account, _settings.ChangesIdentity, run.Command.Arguments, environment);
        int read = -1, write = -1, output = -1, errors = -1;
        string? failure;
        int? process = null;
        if (DescriptorPair.Pipe(out read, out write) != 0 || DescriptorPair.Pipe(out output, out errors) != 0) failure = Errno.Text(Errno.Last);
        else
        {
            // A program may open its standard streams again by name (/dev/stdin); they must then be its user's.
            if (_settings.ChangesIdentity)
                foreach (int end in (int[])[read, errors]) Libc.fchown(end, run.Account.Uid, run.Account.Gid);
            process = _starter.Start(request, read, errors, errors, out failure);
        }
        if (read >= 0) Libc.close(read);
        if (errors >= 0) Libc.close(errors);
        if (process is { } number) return new(new RunningProgram(number, write, output, _time, _settings.ProgramLimit), null);
        if (write >= 0) Libc.close(write);
        if (output >= 0) Libc.close(output);
        ProcessesLog.StartFailed(_logger, run.Command.Arguments[0], run.Account.Name, failure ?? "");
        return new(null, Fault.Temporary($"cannot run {run.Command.Arguments[0]}: {failure}"));
    }
}

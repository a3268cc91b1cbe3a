using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;
using Posthouse.Plugs;
using Posthouse.Server.Model;
using Posthouse.Server.Processes;

namespace Posthouse.Server.Delivering.Local;

/// <summary>
/// The parent's answers to the engine's questions about deliveries, .forward files, includes and passwords. The engine may
/// be anybody: it can name only what the configuration holds, what it sends is checked, and of each kind of
/// question so many are answered at a time that no kind keeps the others waiting. One of these serves one engine; disposing it ends
/// that engine's workers and programs.
/// </summary>
internal sealed class ParentDeliveries : IDisposable
{
    // Together fewer than a channel serves at a time. An engine that is well asks no more at a time and waits its turn; one that asks more is refused.
    internal const int GrantBound = 64;
    internal const int StartBound = 32;
    internal const int FileBound = 64;
    internal const int PasswordBound = 48;

    // Beyond what the configuration allows the engine: programs whose end it has heard of before the parent is done with them.
    private const int ProgramSlack = 16;

    private static readonly DeliveryResult s_busy = DeliveryResult.Temporary("too many deliveries at once", 3, 2);
    private static readonly Fault s_busyFault = Fault.Temporary("Temporary failure", "too many questions at once");

    private readonly LocalSettings _settings;
    private readonly LocalPlanner _planner;
    private readonly WorkerProcesses _workers;
    private readonly ProgramStarter _programs;
    private readonly SystemPasswords _passwords;
    private readonly ServeBound _grants = new(GrantBound);
    private readonly ServeBound _starts = new(StartBound);
    private readonly ServeBound _files = new(FileBound);
    private readonly ServeBound _checks = new(PasswordBound);

    /// <summary>Works by <paramref name="settings"/>.</summary>
    internal ParentDeliveries(LocalSettings settings, TimeProvider time, ILogger logger)
    {
        _settings = settings;
        _planner = new(settings, time);
        _workers = new(new(settings.Executable), DeliveryWorker.Words(settings.HostName, settings.FileThreads), time, logger);
        _programs = new(settings, time, logger);
        _passwords = new(time, logger);
    }

    /// <summary>The workers that run.</summary>
    internal IReadOnlyList<int> Workers => _workers.Running;

    /// <summary>How many grants were asked for, well-formed or not.</summary>
    internal long GrantsAsked => _grants.Asked;

    /// <summary>Whether a question is one that <see cref="ServeAsync"/> answers.</summary>
    internal static bool Serves(MessageKind kind) =>
        kind is MessageKind.GrantFile or MessageKind.StartProgram or MessageKind.ReadForward or MessageKind.ReadInclude or MessageKind.CheckPassword;

    /// <summary>Answers a question of the engine's. One that cannot be understood is answered by nothing.</summary>
    internal async ValueTask<ChannelAnswer> ServeAsync(ChannelRequest request, CancellationToken cancellation) => request.Kind switch
    {
        MessageKind.GrantFile => await _grants.ServeAsync(() => GrantAsync(request.Payload, cancellation)) ?? DeliveryReply.Of(s_busy),
        MessageKind.StartProgram => await _starts.ServeAsync(() => StartAsync(request.Payload, cancellation)) ?? DeliveryReply.Of(s_busy),
        MessageKind.ReadForward => await _files.ServeAsync(() => ReadForwardAsync(request.Payload, cancellation)) ?? ExpansionReply.Of(new ForwardFile(null, s_busyFault)),
        MessageKind.ReadInclude => await _files.ServeAsync(() => ReadIncludeAsync(request.Payload, cancellation)) ?? ExpansionReply.Of(new IncludedFile(null, s_busyFault)),
        MessageKind.CheckPassword => await _checks.ServeAsync(() => CheckPasswordAsync(request.Payload, cancellation)) ?? Of(PasswordVerdict.Unavailable),
        _ => ChannelAnswer.Empty,
    };

    /// <summary>Takes all targets back: the configuration is another. The engine has to ask again.</summary>
    internal void ForgetConfiguration()
    {
        _planner.Forget();
        _workers.ForgetTargets();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _workers.Dispose();
        _programs.Dispose();
        _passwords.Dispose();
    }

    private async ValueTask<ChannelAnswer> GrantAsync(ReadOnlyMemory<byte> payload, CancellationToken cancellation)
    {
        if (ReadGrant(payload.Span, out bool junk, out int lost) is not { } envelope) return ChannelAnswer.Empty;
        int version = _workers.Version;
        (LocalPlan? plan, DeliveryResult? failure) = await _planner.PlanAsync(envelope, junk, cancellation);
        if (plan is LocalPlan.Run) return new(new[] { DeliveryReply.OtherKind });
        if (plan is not LocalPlan.Store store) return DeliveryReply.Of(failure ?? DeliveryResult.Temporary("the action stores no file", 3, 5));
        (FileTarget target, failure) = Prepare(store.Target, store.Account);
        if (failure is not null) return DeliveryReply.Of(failure);
        WorkerIdentity identity = WorkerIdentity.Of(store.Account, _settings.ChangesIdentity);
        if (await _workers.GrantAsync(store.Account, identity, target, lost, version, cancellation) is not var (worker, number, data))
            return DeliveryReply.Of(DeliveryResult.Temporary($"cannot become {store.Account.Name}", 3, 0));
        if (number == 0)
        {
            // The configuration became another on the way.
            data.Dispose();
            return await GrantAsync(payload, cancellation);
        }
        FileGrant grant = new(worker, number, store.Scope, target is FileTarget.Mbox);
        return new(grant.Write(new PayloadWriter().Byte(DeliveryReply.Done)).Payload, data);
    }

    private async ValueTask<ChannelAnswer> StartAsync(ReadOnlyMemory<byte> payload, CancellationToken cancellation)
    {
        if (ReadStart(payload.Span) is not { } envelope) return ChannelAnswer.Empty;
        (LocalPlan? plan, DeliveryResult? failure) = await _planner.PlanAsync(envelope, junk: false, cancellation);
        if (plan is LocalPlan.Store) return new(new[] { DeliveryReply.OtherKind });
        if (plan is not LocalPlan.Run run) return DeliveryReply.Of(failure ?? DeliveryResult.Temporary("the action runs no program", 3, 5));
        if (run.Target is not null && Prepare(run.Target, run.Account).Failure is { } refused) return DeliveryReply.Of(refused);
        (SafeFileHandle[]? ends, failure) =
            await Task.Factory.StartNew(() => _programs.Start(run, envelope, _settings.Configuration().Mda.MaxSessions + ProgramSlack), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        return ends is null ? DeliveryReply.Of(failure!) : new(new[] { DeliveryReply.Done }, ends);
    }

    private async ValueTask<ChannelAnswer> ReadForwardAsync(ReadOnlyMemory<byte> payload, CancellationToken cancellation) =>
        TryRead(payload.Span, out string action, out string user) && _settings.Files is { } files
            ? ExpansionReply.Of(await files.ReadForwardAsync(action, user, cancellation)) : ChannelAnswer.Empty;

    private async ValueTask<ChannelAnswer> ReadIncludeAsync(ReadOnlyMemory<byte> payload, CancellationToken cancellation) =>
        TryReadInclude(payload.Span, out string action, out string key, out int index) && _settings.Files is { } files
            ? ExpansionReply.Of(await files.OpenIncludeAsync(action, key, index, cancellation)) : ChannelAnswer.Empty;

    private async ValueTask<ChannelAnswer> CheckPasswordAsync(ReadOnlyMemory<byte> payload, CancellationToken cancellation) =>
        Of(TryRead(payload.Span, out string user, out string password) ? await _passwords.CheckAsync(user, password, cancellation) : PasswordVerdict.Unavailable);

    // Only root may write to the directory of system mailboxes.
    private (FileTarget Target, DeliveryResult? Failure) Prepare(FileTarget target, UserAccount account)
    {
        if (!_settings.ChangesIdentity || target is not FileTarget.Mbox { System: true } mailbox) return (target, null);
        return (mailbox with { IsMade = true }, SystemMailbox.Ensure(mailbox.Path, account));
    }

    private static Envelope? ReadGrant(ReadOnlySpan<byte> payload, out bool junk, out int lost)
    {
        PayloadReader reader = new(payload);
        junk = reader.Flag();
        lost = reader.Number();
        Envelope envelope = DeliveryOrder.Read(ref reader);
        return reader.IsWhole ? envelope : null;
    }

    private static Envelope? ReadStart(ReadOnlySpan<byte> payload)
    {
        PayloadReader reader = new(payload);
        Envelope envelope = DeliveryOrder.Read(ref reader);
        return reader.IsWhole ? envelope : null;
    }

    private static bool TryRead(ReadOnlySpan<byte> payload, out string first, out string second)
    {
        PayloadReader reader = new(payload);
        first = reader.Text(DeliveryOrder.MaxText);
        second = reader.Text(DeliveryOrder.MaxText);
        return reader.IsWhole;
    }

    private static bool TryReadInclude(ReadOnlySpan<byte> payload, out string action, out string key, out int index)
    {
        PayloadReader reader = new(payload);
        action = reader.Text(DeliveryOrder.MaxText);
        key = reader.Text(DeliveryOrder.MaxText);
        index = reader.Count(int.MaxValue);
        return reader.IsWhole;
    }

    private static ChannelAnswer Of(PasswordVerdict verdict) => new(new[] { (byte)verdict });
}

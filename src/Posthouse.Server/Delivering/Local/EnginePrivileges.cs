using System.Runtime.InteropServices;
using Posthouse.Plugs;
using Posthouse.Server.Model;
using Posthouse.Server.Processes;

namespace Posthouse.Server.Delivering.Local;

/// <summary>
/// What needs root, as the engine gets it: by asking the parent, which is somebody else. What comes often costs no question:
/// messages go to the workers directly, by grants that are remembered.
/// </summary>
internal sealed class EnginePrivileges : IPrivileges, IDisposable
{
    // Longer than the parent takes for anything it does itself: a start, a name service, a file on a slow disk.
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(60);

    // The parent ends a program at its deadline; this is for a parent that does not.
    private static readonly TimeSpan s_grace = TimeSpan.FromMinutes(1);

    private readonly Channel _parent;
    private readonly TimeSpan _programLimit;
    private readonly TimeProvider _time;
    private readonly GrantCache _grants;
    private readonly ForwardCache _forwards;
    private readonly WorkerConnections _workers;
    private readonly KeyedTurns _turns = new();
    private readonly SemaphoreSlim _fileTurns = new(ParentDeliveries.FileBound);
    private readonly SemaphoreSlim _passwordTurns = new(ParentDeliveries.PasswordBound);
    private readonly SemaphoreSlim _startTurns = new(ParentDeliveries.StartBound);
    private readonly SemaphoreSlim _grantTurns = new(ParentDeliveries.GrantBound);

    /// <summary>Asks over <paramref name="parent"/>, which stays the caller's. A program may take <paramref name="programLimit"/>.</summary>
    internal EnginePrivileges(Channel parent, TimeSpan programLimit, TimeProvider time)
    {
        _parent = parent;
        _programLimit = programLimit;
        _time = time;
        _grants = new(time);
        _forwards = new(time);
        _workers = new(time);
    }

    /// <inheritdoc/>
    public async ValueTask<ForwardFile> ReadForwardAsync(string action, string user, CancellationToken cancellation)
    {
        if (_forwards.Find(action, user) is { } known) return known;
        long since = _time.GetTimestamp();
        using ChannelAnswer? answer = await AskAsync(_fileTurns, MessageKind.ReadForward, new PayloadWriter().Text(action).Text(user).Payload, cancellation);
        ForwardFile file = ExpansionReply.ReadForward(answer);
        _forwards.Keep(action, user, file, since);
        return file;
    }

    /// <inheritdoc/>
    public async ValueTask<IncludedFile> OpenIncludeAsync(string action, string key, int index, CancellationToken cancellation)
    {
        using ChannelAnswer? answer = await AskAsync(_fileTurns, MessageKind.ReadInclude, new PayloadWriter().Text(action).Text(key).Number(index).Payload, cancellation);
        return ExpansionReply.ReadInclude(answer);
    }

    /// <inheritdoc/>
    public async ValueTask<PasswordVerdict> CheckPasswordAsync(string user, string password, CancellationToken cancellation)
    {
        using ChannelAnswer? answer = await AskAsync(_passwordTurns, MessageKind.CheckPassword, new PayloadWriter().Text(user).Text(password).Payload, cancellation);
        return answer is { Payload: { Length: 1 } payload } ? (PasswordVerdict)payload.Span[0] : PasswordVerdict.Unavailable;
    }

    /// <inheritdoc/>
    public async ValueTask<DeliveryResult> DeliverToFileAsync(FileDelivery delivery, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(delivery);
        int lost = 0;
        for (int tries = 1; ; tries++)
        {
            int without = lost;
            GrantAnswer answer = await _grants.GetAsync(delivery.Envelope, delivery.IsJunk, () => AskAsync(delivery, without), cancellation);
            if (answer.Grant is not { } grant) return answer.Failure!;
            WorkerAnswer stored = WorkerAnswer.Lost;
            if (_workers.Enter(grant.Worker) is { } worker)
            {
                try
                {
                    using IDisposable? turn = grant.IsMbox ? await _turns.WaitAsync($"{grant.Worker}:{grant.Target}", cancellation) : null;
                    stored = await worker.StoreAsync(grant.Target, grant.IsMbox ? delivery.Envelope.Sender : "", delivery.Content, cancellation);
                }
                finally
                {
                    _workers.Leave(grant.Worker, worker);
                }
            }
            if (stored.Result is null || stored.IsLost) _grants.Forget(delivery.Envelope, delivery.IsJunk, grant);
            if (stored.Result is { } result) return result;
            // The second time it is not chance: a worker that the parent let go, a target that was forgotten. It may pass until the next try.
            if (tries == 3) return DeliveryResult.Temporary(stored.IsLost ? "the delivery worker ends again and again" : "the target is forgotten again and again", 3, 0);
            lost = stored.IsLost ? grant.Worker : 0;
        }
    }

    /// <inheritdoc/>
    public async ValueTask<DeliveryStart> StartDeliveryAsync(Envelope envelope, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(envelope);
        if (!DeliveryOrder.TryWrite(new(), envelope, out PayloadWriter order)) return new(null, Fault.Temporary("the envelope is too long for a local delivery"));
        using ChannelAnswer? answer = await AskAsync(_startTurns, MessageKind.StartProgram, order.Payload, cancellation);
        if (answer is null) return new(null, DeliveryReply.ToFault(DeliveryReply.NoAnswer));
        if (answer.Payload.Span is [DeliveryReply.OtherKind]) return DeliveryStart.IsFile;
        if (answer.Payload.Span is not [DeliveryReply.Done] || answer.Descriptors.Length != 3) return new(null, DeliveryReply.ToFault(Failure(answer)));
        return new(new RunningProgram(Take(answer.Descriptors[0]), Take(answer.Descriptors[1]), Take(answer.Descriptors[2]), _time, _programLimit + s_grace), null);
    }

    /// <inheritdoc/>
    public void ForgetConfiguration()
    {
        _grants.Clear();
        _forwards.Clear();
    }

    /// <summary>Lets the workers go.</summary>
    public void Dispose() => _workers.Dispose();

    // What is more than the parent answers at a time would be refused: it waits here, since many sessions at once are no failure.
    private async ValueTask<ChannelAnswer?> AskAsync(SemaphoreSlim turns, MessageKind kind, ReadOnlyMemory<byte> payload, CancellationToken cancellation)
    {
        if (payload.Length > Channel.MaxPayload || !await turns.WaitAsync(s_patience, cancellation)) return null;
        try
        {
            return await _parent.AskAsync(kind, payload, s_patience, cancellation);
        }
        finally
        {
            turns.Release();
        }
    }

    private async Task<GrantAnswer> AskAsync(FileDelivery delivery, int lost)
    {
        PayloadWriter head = new PayloadWriter().Flag(delivery.IsJunk).Number(lost);
        if (!DeliveryOrder.TryWrite(head, delivery.Envelope, out PayloadWriter order)) return new(null, DeliveryResult.Temporary("the envelope is too long for a local delivery", 3, 0));
        using ChannelAnswer? answer = await AskAsync(_grantTurns, MessageKind.GrantFile, order.Payload, CancellationToken.None);
        if (answer is null) return new(null, DeliveryReply.NoAnswer);
        PayloadReader reader = new(answer.Payload.Span);
        if (reader.Byte() != DeliveryReply.Done) return new(null, Failure(answer));
        FileGrant grant = FileGrant.Read(ref reader);
        if (!reader.IsWhole || answer.Descriptors.Length != 1) return new(null, DeliveryReply.NoAnswer);
        _workers.Keep(grant.Worker, answer.Descriptors[0]);
        return new(grant, null);
    }

    private static DeliveryResult Failure(ChannelAnswer answer)
    {
        PayloadReader reader = new(answer.Payload.Span);
        return reader.Byte() switch
        {
            DeliveryReply.Failed when reader.IsSound => DeliveryReply.ReadFailure(ref reader),
            DeliveryReply.OtherKind => DeliveryResult.Temporary("what the address expands to has changed", 3, 5),
            _ => DeliveryReply.NoAnswer,
        };
    }

    private static int Take(SafeHandle descriptor)
    {
        int number = (int)descriptor.DangerousGetHandle();
        descriptor.SetHandleAsInvalid();
        return number;
    }
}

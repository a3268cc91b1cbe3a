using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using Posthouse.Plugs;
using Posthouse.Server.Model;
using Posthouse.Server.Native;

namespace Posthouse.Server.Queueing;

/// <summary>The spool of a stopped server: looks at it, changes it, checks it and repairs it. All stores that the spool has files of are treated as one.</summary>
public sealed class SpoolInspection : IAsyncDisposable
{
    /// <summary>Where <see cref="RepairAsync"/> puts what is damaged, below the spool.</summary>
    public const string Quarantine = "quarantine";

    private const int WalkStep = 512;
    private static readonly TimeSpan s_lockPatience = TimeSpan.FromSeconds(5);

    private readonly SpoolLock _lock;
    private readonly string _spool;
    private readonly QueueKey? _key;
    private readonly EnvelopeCodec _codec;
    private readonly List<(string Name, IQueue Queue)> _stores = [];

    private SpoolInspection(SpoolLock held, string spool, QueueKey? key)
    {
        _lock = held;
        _spool = spool;
        _key = key;
        _codec = new(key);
    }

    /// <summary>
    /// Opens the spool of <paramref name="state"/>; null, with the fault, while a server runs on it or when a store cannot be opened.
    /// Without the key, sealed envelopes show only what stands outside, and encrypted content stays closed.
    /// With <paramref name="asOwner"/> a process of root becomes the owner of the spool first, for good: files that root makes there the server could not write.
    /// </summary>
    /// <exception cref="ArgumentException">The key has not 32 bytes.</exception>
    public static async Task<(SpoolInspection? Spool, Fault? Fault)> OpenAsync(
        StateDirectory state, byte[]? key, TimeProvider time, ILogger logger, bool asOwner = false)
    {
        QueueKey? queueKey = key is null ? null : new QueueKey(key);
        if (!Directory.Exists(state.Path))
            return (null, Fault.Permanent($"there is no state directory {state.Path}"));
        (SpoolLock? held, Fault? fault) = await SpoolLock.TakeAsync(state, s_lockPatience, time);
        if (held is null)
            return (null, fault);
        if (asOwner && BecomeOwner(state.Spool) is { } problem)
        {
            held.Dispose();
            return (null, Fault.Temporary($"the owner of {state.Spool} cannot be become: {problem}"));
        }

        SpoolInspection inspection = new(held, state.Spool, queueKey);
        try
        {
            foreach (string name in QueueStores.Present(state.Spool))
                inspection._stores.Add((name, await QueueStores.OpenAloneAsync(name, state.Spool, time, logger)));
            return (inspection, null);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            await inspection.DisposeAsync();
            return (null, Fault.Temporary(exception.Message));
        }
    }

    /// <summary>The envelopes of the selection, ascending within each store.</summary>
    /// <exception cref="IOException">A store failed.</exception>
    public async IAsyncEnumerable<SpooledEnvelope> ListAsync(EnvelopeSelection selection, [EnumeratorCancellation] CancellationToken cancellation = default)
    {
        foreach ((string name, IQueue store) in _stores)
        {
            await foreach (StoredEnvelope stored in WalkAsync(name, store, selection, cancellation))
                yield return Read(name, stored);
        }
    }

    /// <summary>Opens the content of a message.</summary>
    public async ValueTask<OpenedMessage> OpenMessageAsync(MessageId message, CancellationToken cancellation = default)
    {
        OpenedMessage opened = new(QueueResult.NotFound, null);
        foreach ((_, IQueue store) in _stores)
        {
            opened = await BodyReader.OpenAsync(store, message, _key, cancellation);
            if (opened.Result.Status != QueueStatus.NotFound)
                break;
        }

        return opened;
    }

    /// <summary>Holds or releases the envelopes of the selection, which needs no key; answers how many. Damaged ones are left alone.</summary>
    /// <exception cref="IOException">A store failed.</exception>
    public async Task<int> SuspendAsync(EnvelopeSelection selection, bool suspended, CancellationToken cancellation = default)
    {
        int count = 0;
        foreach ((string name, IQueue store) in _stores)
        {
            await foreach (StoredEnvelope stored in WalkAsync(name, store, selection, cancellation))
            {
                if (Read(name, stored).IsDamaged)
                    continue;
                Check(name, await store.UpdateEnvelopeAsync(stored.Id, EnvelopeCodec.WithSuspension(stored.Json.Span, suspended), cancellation));
                count++;
            }
        }

        return count;
    }

    /// <summary>Deletes the envelopes of the selection, and messages with their last one; answers how many.</summary>
    /// <exception cref="IOException">A store failed.</exception>
    public async Task<int> RemoveAsync(EnvelopeSelection selection, CancellationToken cancellation = default)
    {
        int count = 0;
        foreach ((string name, IQueue store) in _stores)
        {
            await foreach (StoredEnvelope stored in WalkAsync(name, store, selection, cancellation))
            {
                Check(name, await store.DeleteEnvelopeAsync(stored.Id, cancellation));
                count++;
            }
        }

        return count;
    }

    /// <summary>Reads every envelope and every message to its end, and changes nothing.</summary>
    /// <exception cref="IOException">A store cannot be walked.</exception>
    public Task<SpoolCheck> VerifyAsync(CancellationToken cancellation = default) => CheckAsync(repair: false, cancellation);

    /// <summary>
    /// As <see cref="VerifyAsync"/>, and moves what is damaged to <c>spool/quarantine</c>: a damaged envelope alone (<c>EVPID.json</c>), a damaged
    /// message with all its envelopes (<c>MSGID.message</c>, as the store has it and as far as it can be read).
    /// </summary>
    /// <exception cref="IOException">A store cannot be walked or written, or the quarantine cannot be written; nothing is deleted that is not there.</exception>
    public Task<SpoolCheck> RepairAsync(CancellationToken cancellation = default) => CheckAsync(repair: true, cancellation);

    /// <summary>Closes the stores and gives the spool back.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach ((_, IQueue store) in _stores)
            await store.DisposeAsync();
        _lock.Dispose();
    }

    private static async IAsyncEnumerable<StoredEnvelope> WalkAsync(
        string name, IQueue store, EnvelopeSelection selection, [EnumeratorCancellation] CancellationToken cancellation)
    {
        EnvelopeId after = selection.IsAll ? default
            : selection.Message.IsNone ? new(selection.Envelope.Value - 1)
            : new((ulong)selection.Message.Value << 32);
        while (true)
        {
            QueueWalk walk = await store.WalkAsync(after, selection.IsAll || !selection.Message.IsNone ? WalkStep : 1, cancellation);
            Check(name, walk.Result);
            foreach (StoredEnvelope stored in walk.Envelopes)
            {
                if (!selection.Contains(stored.Id))
                    yield break;
                yield return stored;
                after = stored.Id;
            }

            if (walk.Envelopes.Count == 0)
                yield break;
        }
    }

    private static string? BecomeOwner(string spool) =>
        Environment.IsPrivilegedProcess && FileDescriptor.Status(spool, out FileStatus status, follow: false) == 0 && status.Uid != 0
            ? ProcessIdentity.Become(status.Uid, status.Gid, [status.Gid])
            : null;

    private static void Check(string store, QueueResult result)
    {
        if (result.Status == QueueStatus.Error)
            throw new IOException($"the {store} store failed: {result.Message}");
    }

    private SpooledEnvelope Read(string store, StoredEnvelope stored)
    {
        (QueueResult result, Envelope? envelope) = _codec.Parse(stored);
        // An envelope for which the key is missing can be read from outside, or it would have been damaged.
        if (result.Status == QueueStatus.Error)
            envelope = Envelope.Parse(stored.Json.Span);
        return new(store, stored.Id, stored.Json, envelope, result.IsOk ? null : result.Message);
    }

    private async Task<SpoolCheck> CheckAsync(bool repair, CancellationToken cancellation)
    {
        long messages = 0;
        long envelopes = 0;
        long locked = 0;
        List<SpoolDamage> damages = [];
        foreach ((string name, IQueue store) in _stores)
        {
            MessageId current = default;
            bool isLost = false;
            await foreach (StoredEnvelope stored in WalkAsync(name, store, EnvelopeSelection.All, cancellation))
            {
                envelopes++;
                if (stored.Id.Message != current)
                {
                    current = stored.Id.Message;
                    messages++;
                    (string? problem, bool needsKey) = await ReadThroughAsync(store, current, cancellation);
                    locked += needsKey ? 1 : 0;
                    isLost = problem is not null;
                    if (isLost)
                        damages.Add(new(name, current.ToString(), problem!));
                    if (isLost && repair)
                        await SaveBodyAsync(store, current, cancellation);
                }

                SpooledEnvelope read = Read(name, stored);
                if (read.IsDamaged)
                    damages.Add(new(name, stored.Id.ToString(), read.Problem!));
                else if (read.Problem is not null)
                    locked++;
                if (!repair || !(isLost || read.IsDamaged))
                    continue;
                Save($"{stored.Id}.json", stored.Json.Span);
                Check(name, await store.DeleteEnvelopeAsync(stored.Id, cancellation));
            }
        }

        return new(messages, envelopes, locked, damages);
    }

    private async Task<(string? Problem, bool NeedsKey)> ReadThroughAsync(IQueue store, MessageId message, CancellationToken cancellation)
    {
        OpenedMessage opened = await BodyReader.OpenAsync(store, message, _key, cancellation);
        if (opened.NeedsKey)
            return (null, true);
        if (opened.Content is null)
            return (opened.Result.Message ?? "its content is missing", false);
        await using Stream content = opened.Content;
        try
        {
            await content.CopyToAsync(Stream.Null, cancellation);
            return (null, false);
        }
        catch (IOException exception)
        {
            return (exception.Message, false);
        }
    }

    private async Task SaveBodyAsync(IQueue store, MessageId message, CancellationToken cancellation)
    {
        await using StoredBody body = new(store, message);
        string path = MakePlace($"{message}.message");
        await using (FileStream file = new(path, FileMode.Create, FileAccess.Write))
        {
            try
            {
                await body.CopyToAsync(file, cancellation);
            }
            catch (IOException)
            {
                // As far as it can be read; what is wrong with it stands among the damages.
            }

            file.Flush(flushToDisk: true);
        }

        SyncPlace();
    }

    private void Save(string name, ReadOnlySpan<byte> content)
    {
        SpoolTree.WriteSynced(MakePlace(name), content);
        SyncPlace();
    }

    private string MakePlace(string name)
    {
        SpoolTree.MakeDirectory(Path.Combine(_spool, Quarantine));
        return Path.Combine(_spool, Quarantine, name);
    }

    private void SyncPlace()
    {
        string place = Path.Combine(_spool, Quarantine);
        SpoolTree.Check(FileDescriptor.SyncDirectory(place), place);
    }
}

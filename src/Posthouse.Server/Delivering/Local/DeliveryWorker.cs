using System.Globalization;
using Posthouse.Server.Model;
using Posthouse.Server.Native;

namespace Posthouse.Server.Delivering.Local;

/// <summary>
/// The worker's side: a process that is a user and stores messages. The parent tells it on its standard input where it may store;
/// the engine, on its standard output, sends the messages and gets the results. It ends with either. What is unfinished then leaves no trace.
/// </summary>
internal sealed unsafe class DeliveryWorker : IDisposable
{
    /// <summary>The name of the role.</summary>
    internal const string Role = "worker";

    private const int Control = 0;
    private const int Data = 1;
    private const short Readable = 1;
    private const int WaitingBound = 256;
    private const int LargeBound = 64;

    private readonly FileContext _context;
    private readonly FileThreads _threads;
    private readonly WorkerTargets _targets;
    private readonly Dictionary<uint, Large> _large = [];
    private readonly SemaphoreSlim _places = new(WaitingBound);
    private readonly Lock _answering = new();
    private readonly byte[] _input = new byte[64 * 1024];
    private int _begin;
    private int _end;

    private DeliveryWorker(FileContext context, int threads)
    {
        _context = context;
        _threads = new(threads);
        _targets = new(Control);
    }

    /// <summary>The words by which the parent starts a worker: its role, the machine's name and how many threads may wait for the disk.</summary>
    internal static IReadOnlyList<string> Words(string hostName, int threads) => [Role, hostName, threads.ToString(CultureInfo.InvariantCulture)];

    /// <summary>Serves until either socket ends; answers the exit code.</summary>
    internal static int Serve(IReadOnlyList<string> words)
    {
        string hostName = words.Count > 0 ? words[0] : Environment.MachineName;
        int threads = words.Count > 1 && int.TryParse(words[1], NumberStyles.None, CultureInfo.InvariantCulture, out int given) ? Math.Clamp(given, 1, 64) : 8;
        using DeliveryWorker worker = new(new(TimeProvider.System, hostName), threads);
        return worker.Run();
    }

    /// <summary>Takes back what is unfinished.</summary>
    public void Dispose()
    {
        lock (_large)
            foreach (Large large in _large.Values) large.File?.Dispose();
        _threads.Dispose();
        _places.Dispose();
    }

    private int Run()
    {
        while (true)
        {
            ReadOnlySpan<byte> ready = _input.AsSpan(_begin, _end - _begin);
            if (ready.Length < WorkerFrame.HeaderLength)
            {
                if (!Fill()) return 0;
                continue;
            }
            if (!WorkerFrame.TryReadHeader(ready, out byte kind, out uint number, out int length)) return 1;
            byte[] payload = GC.AllocateUninitializedArray<byte>(length);
            int here = Math.Min(length, ready.Length - WorkerFrame.HeaderLength);
            ready.Slice(WorkerFrame.HeaderLength, here).CopyTo(payload);
            _begin += WorkerFrame.HeaderLength + here;
            if (here < length && !BlockingDescriptor.ReadAll(Data, payload.AsSpan(here))) return 0;
            if (!Take(kind, number, payload)) return 1;
        }
    }

    // Waits for more; false when there is none to come.
    private bool Fill()
    {
        _input.AsSpan(_begin, _end - _begin).CopyTo(_input);
        (_begin, _end) = (0, _end - _begin);
        while (true)
        {
            Libc.PollDescriptor* descriptors = stackalloc Libc.PollDescriptor[2];
            descriptors[0] = new() { Descriptor = Control, Events = Readable };
            descriptors[1] = new() { Descriptor = Data, Events = Readable };
            if (Libc.poll(descriptors, 2, -1) < 0) continue;
            if (descriptors[0].Returned != 0 && !_targets.Read()) return false;
            if (descriptors[1].Returned == 0) continue;
            nint got;
            fixed (byte* to = _input) got = Libc.read(Data, to + _end, (nuint)(_input.Length - _end));
            if (got < 0 && Errno.Last is Errno.Interrupted or Errno.Again) continue;
            if (got <= 0) return false;
            _end += (int)got;
            return true;
        }
    }

    private bool Take(byte kind, uint number, byte[] payload)
    {
        switch (kind)
        {
            case WorkerFrame.Whole or WorkerFrame.Begin:
                if (!WorkerPayload.TryReadPlace(payload, out int place, out string sender, out int length)) return false;
                if (_targets.Find(place) is not { } target) return Answer(WorkerFrame.Unknown, number, []);
                if (kind == WorkerFrame.Whole) Work(number, () => Store(target, sender, payload.AsMemory(length)));
                else return Begin(number, target, sender);
                return true;
            case WorkerFrame.Data:
                if (Find(number, remove: false) is not { } growing) return false;
                growing.Failure ??= growing.File!.Append(payload);
                return true;
            case WorkerFrame.End or WorkerFrame.Abort:
                if (Find(number, remove: true) is not { } done) return false;
                if (kind == WorkerFrame.Abort) done.File!.Dispose();
                else Work(number, () => Finish(done));
                return true;
            default:
                return false;
        }
    }

    private Large? Find(uint number, bool remove)
    {
        lock (_large)
        {
            if (!_large.TryGetValue(number, out Large? large) || large.File is null) return null;
            if (remove) _large.Remove(number);
            return large;
        }
    }

    private bool Begin(uint number, FileTarget target, string sender)
    {
        Large large = new();
        lock (_large)
            if (_large.Count == LargeBound || !_large.TryAdd(number, large)) return false;
        // Opening may wait for the lock of the file, and this thread must go on.
        Work(number, () =>
        {
            DeliveryResult? failure = null;
            bool gone = target.IsGone;
            IMessageFile? file = gone ? null : target.Open(_context, sender, out failure);
            lock (_large)
            {
                large.File = file;
                if (file is null) _large.Remove(number);
            }
            if (file is not null) Answer(WorkerFrame.Opened, number, []);
            else if (gone) Answer(WorkerFrame.Unknown, number, []);
            return failure;
        });
        return true;
    }

    private DeliveryResult? Store(FileTarget target, string sender, ReadOnlyMemory<byte> message)
    {
        using IMessageFile? file = target.Open(_context, sender, out DeliveryResult? failure);
        return file is null ? failure! : file.Append(message.Span) ?? file.Finish();
    }

    private static DeliveryResult? Finish(Large large)
    {
        using (large.File) return large.Failure ?? large.File!.Finish();
    }

    // Work that answers by itself gives null.
    private void Work(uint number, Func<DeliveryResult?> work)
    {
        // Whoever sends faster than the disk takes waits in its socket and not in this memory.
        _places.Wait();
        _threads.RunAsync(() =>
        {
            try
            {
                if (work() is { } result) Answer(WorkerFrame.Result, number, WorkerPayload.Of(result));
            }
            catch (Exception exception)
            {
                // The border of one delivery: a bug in it must not end the others.
                Answer(WorkerFrame.Result, number, WorkerPayload.Of(DeliveryResult.Temporary($"delivery failed: {exception.Message}", 3, 0)));
            }
            return _places.Release();
        });
    }

    private bool Answer(byte kind, uint number, ReadOnlySpan<byte> payload)
    {
        Span<byte> small = stackalloc byte[256];
        int total = WorkerFrame.HeaderLength + payload.Length;
        Span<byte> frame = total <= small.Length ? small[..total] : new byte[total];
        WorkerFrame.WriteHeader(frame, kind, number, payload.Length);
        payload.CopyTo(frame[WorkerFrame.HeaderLength..]);
        // If nobody listens any more, the end of the input says so.
        lock (_answering) BlockingDescriptor.WriteAll(Data, frame);
        return true;
    }

    private sealed class Large
    {
        internal IMessageFile? File;
        internal DeliveryResult? Failure;
    }
}

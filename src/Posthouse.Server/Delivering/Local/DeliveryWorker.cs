using Posthouse.Server.Model;
using Posthouse.Server.Native;

namespace Posthouse.Server.Delivering.Local;

/// <summary>
/// The worker's side: a process that is a user and stores messages for the server, which it hears on its standard input
/// and answers on its standard output. It ends with its input. What is unfinished then leaves no trace.
/// </summary>
internal sealed class DeliveryWorker
{
    /// <summary>The name of the role.</summary>
    internal const string Role = "worker";

    private const int Input = 0;
    private const int Output = 1;

    private readonly FileContext _context;
    private readonly FileThreads _threads;
    private readonly Dictionary<uint, Large> _large = [];
    private readonly Lock _answering = new();

    private DeliveryWorker(FileContext context, int threads)
    {
        _context = context;
        _threads = new(threads);
    }

    /// <summary>Serves until the input ends, under the machine name given; answers the exit code.</summary>
    internal static int Serve(IReadOnlyList<string> words)
    {
        DeliveryWorker worker = new(new(TimeProvider.System, words.Count > 0 ? words[0] : Environment.MachineName), 8);
        int code = worker.Run();
        foreach (Large large in worker._large.Values) large.File?.Dispose();
        worker._threads.Dispose();
        return code;
    }

    private int Run()
    {
        byte[] header = new byte[WorkerFrame.HeaderLength];
        while (BlockingDescriptor.ReadAll(Input, header))
        {
            if (!WorkerFrame.TryReadHeader(header, out byte kind, out uint number, out int length)) return 1;
            byte[] payload = GC.AllocateUninitializedArray<byte>(length);
            if (!BlockingDescriptor.ReadAll(Input, payload)) return 0;
            if (!Take(kind, number, payload)) return 1;
        }
        return 0;
    }

    private bool Take(byte kind, uint number, byte[] payload)
    {
        ReadOnlySpan<byte> rest = payload;
        switch (kind)
        {
            case WorkerFrame.Whole:
                if (WorkerPayload.ReadTarget(ref rest) is not { } target) return false;
                ReadOnlyMemory<byte> message = payload.AsMemory(payload.Length - rest.Length);
                Work(number, () => Store(target, message));
                return true;
            case WorkerFrame.Begin:
                if (WorkerPayload.ReadTarget(ref rest) is not { } place || _large.Count >= 64) return false;
                IMessageFile? file = place.Open(_context, out DeliveryResult? failure);
                return _large.TryAdd(number, new() { File = file, Failure = failure });
            case WorkerFrame.Data:
                if (!_large.TryGetValue(number, out Large? growing)) return false;
                growing.Failure ??= growing.File!.Append(payload);
                return true;
            case WorkerFrame.End or WorkerFrame.Abort:
                if (!_large.Remove(number, out Large? done)) return false;
                if (kind == WorkerFrame.Abort) done.File?.Dispose();
                else Work(number, () => Finish(done));
                return true;
            default:
                return false;
        }
    }

    private DeliveryResult Store(FileTarget target, ReadOnlyMemory<byte> message)
    {
        using IMessageFile? file = target.Open(_context, out DeliveryResult? failure);
        return file is null ? failure! : file.Append(message.Span) ?? file.Finish();
    }

    private static DeliveryResult Finish(Large large)
    {
        using (large.File) return large.Failure ?? large.File!.Finish();
    }

    private void Work(uint number, Func<DeliveryResult> work) => _threads.RunAsync(() =>
    {
        DeliveryResult result;
        try
        {
            result = work();
        }
        catch (Exception exception)
        {
            // The border of one delivery: a bug in it must not end the others.
            result = DeliveryResult.Temporary($"delivery failed: {exception.Message}", 3, 0);
        }
        byte[] payload = WorkerPayload.Of(result);
        byte[] frame = new byte[WorkerFrame.HeaderLength + payload.Length];
        WorkerFrame.WriteHeader(frame, WorkerFrame.Result, number, payload.Length);
        payload.CopyTo(frame, WorkerFrame.HeaderLength);
        // If nobody listens any more, the end of the input says so.
        lock (_answering) return BlockingDescriptor.WriteAll(Output, frame);
    });

    private sealed class Large
    {
        internal IMessageFile? File;
        internal DeliveryResult? Failure;
    }
}

using System.Buffers;
using System.Collections.Concurrent;
using System.Net.Sockets;
using Posthouse.Server.Model;
using Posthouse.Server.Processes;

namespace Posthouse.Server.Delivering.Local;

/// <summary>The server's side of one delivery worker: any number of deliveries at once over one socket. When the worker fails, all of them fail for now.</summary>
internal sealed class WorkerConnection : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(5);
    private const int BlockSize = 64 * 1024;

    private readonly int _process;
    private readonly Socket _socket;
    private readonly TimeProvider _time;
    private readonly SemaphoreSlim _sending = new(1);
    private readonly ConcurrentDictionary<uint, TaskCompletionSource<DeliveryResult>> _waiting = new();
    private uint _number;
    private volatile bool _failed;

    /// <summary>Takes over a worker and the socket to it.</summary>
    internal WorkerConnection(int process, Socket socket, TimeProvider time)
    {
        _process = process;
        _socket = socket;
        _time = time;
        LastUsed = time.GetTimestamp();
        _ = ReceiveAsync();
    }

    /// <summary>The worker's process.</summary>
    internal int Process => _process;

    /// <summary>Deliveries that were given to it and are not done.</summary>
    internal int InUse;

    /// <summary>When it was given back last.</summary>
    internal long LastUsed { get; set; }

    /// <summary>Whether it can be given more.</summary>
    internal bool IsUsable => !_failed;

    /// <summary>Has a message stored.</summary>
    internal async ValueTask<DeliveryResult> StoreAsync(FileTarget target, IMessageContent content, CancellationToken cancellation)
    {
        using CancellationTokenSource deadline = new(s_patience, _time);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellation);
        uint number = Interlocked.Increment(ref _number);
        TaskCompletionSource<DeliveryResult> done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _waiting[number] = done;
        try
        {
            // It may have failed before the delivery was entered: then nobody else will end it.
            if (_failed) return Failed("it ended");
            byte[] place = WorkerPayload.Of(target);
            if (content.IsWhole) await SendAsync(WorkerFrame.Whole, number, place, content.Head, either.Token);
            else await SendLargeAsync(number, place, content, either.Token);
            return await done.Task.WaitAsync(either.Token);
        }
        catch (SocketException exception)
        {
            return Failed(exception.Message);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            Fail("it does not answer");
            return Failed("it does not answer");
        }
        finally
        {
            _waiting.TryRemove(number, out _);
        }
    }

    /// <summary>Lets the worker end; the pool reaps it.</summary>
    public void Dispose()
    {
        Fail("it was let go");
        _socket.Dispose();
    }

    private async ValueTask SendLargeAsync(uint number, byte[] place, IMessageContent content, CancellationToken cancellation)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BlockSize);
        bool ended = false;
        await SendAsync(WorkerFrame.Begin, number, place, default, cancellation);
        try
        {
            await SendAsync(WorkerFrame.Data, number, content.Head, default, cancellation);
            for (int length; (length = await content.ReadAsync(buffer, cancellation)) > 0;)
                await SendAsync(WorkerFrame.Data, number, buffer.AsMemory(0, length), default, cancellation);
            await SendAsync(WorkerFrame.End, number, default, default, cancellation);
            ended = true;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
            if (!ended && !_failed) await SendAsync(WorkerFrame.Abort, number, default, default, CancellationToken.None);
        }
    }

    private async ValueTask SendAsync(byte kind, uint number, ReadOnlyMemory<byte> first, ReadOnlyMemory<byte> second, CancellationToken cancellation)
    {
        int length = first.Length + second.Length, total = WorkerFrame.HeaderLength + length;
        byte[] frame = ArrayPool<byte>.Shared.Rent(total);
        bool entered = false, sent = false;
        try
        {
            WorkerFrame.WriteHeader(frame, kind, number, length);
            first.CopyTo(frame.AsMemory(WorkerFrame.HeaderLength));
            second.CopyTo(frame.AsMemory(WorkerFrame.HeaderLength + first.Length));
            await _sending.WaitAsync(cancellation);
            entered = true;
            for (int done = 0; done < total;) done += await _socket.SendAsync(frame.AsMemory(done, total - done), SocketFlags.None, cancellation);
            sent = true;
        }
        finally
        {
            // Half a frame leaves the conversation without meaning.
            if (entered && !sent) Fail("a frame was not sent");
            if (entered) _sending.Release();
            ArrayPool<byte>.Shared.Return(frame);
        }
    }

    private async Task ReceiveAsync()
    {
        string why = "it ended";
        byte[] header = new byte[WorkerFrame.HeaderLength];
        try
        {
            while (await ReadAsync(header) && WorkerFrame.TryReadHeader(header, out byte kind, out uint number, out int length) && kind == WorkerFrame.Result)
            {
                byte[] payload = new byte[length];
                if (!await ReadAsync(payload) || WorkerPayload.ReadResult(payload) is not { } result) break;
                if (_waiting.TryGetValue(number, out TaskCompletionSource<DeliveryResult>? done)) done.TrySetResult(result);
            }
        }
        catch (SocketException exception)
        {
            why = exception.Message;
        }
        catch (ObjectDisposedException)
        {
            why = "it was let go";
        }
        Fail(why);
    }

    private async ValueTask<bool> ReadAsync(Memory<byte> block)
    {
        while (!block.IsEmpty)
        {
            int got = await _socket.ReceiveAsync(block, SocketFlags.None);
            if (got == 0) return false;
            block = block[got..];
        }
        return true;
    }

    private void Fail(string why)
    {
        _failed = true;
        foreach (TaskCompletionSource<DeliveryResult> done in _waiting.Values) done.TrySetResult(Failed(why));
    }

    private static DeliveryResult Failed(string why) => DeliveryResult.Temporary($"the delivery worker failed: {why}", 3, 0);
}

using System.Buffers;
using System.Collections.Concurrent;
using System.Net.Sockets;
using Posthouse.Server.Model;
using Posthouse.Server.Processes;

namespace Posthouse.Server.Delivering.Local;

/// <summary>The engine's side of one delivery worker: any number of deliveries at once over one socket. When the worker fails, all of them fail for now.</summary>
internal sealed class WorkerConnection : IDisposable
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(5);
    private const int BlockSize = 64 * 1024;

    private readonly Socket _socket;
    private readonly TimeProvider _time;
    private readonly SemaphoreSlim _sending = new(1);
    private readonly ConcurrentDictionary<uint, TaskCompletionSource<(byte Kind, DeliveryResult? Result)>> _waiting = new();
    private uint _number;
    private volatile string? _failure;

    /// <summary>Takes over the socket to a worker.</summary>
    internal WorkerConnection(Socket socket, TimeProvider time)
    {
        _socket = socket;
        _time = time;
        LastUsed = time.GetTimestamp();
        _ = ReceiveAsync();
    }

    /// <summary>Deliveries that were given to it and are not done.</summary>
    internal int InUse;

    /// <summary>When it was given back last.</summary>
    internal long LastUsed { get; set; }

    /// <summary>Whether it can be given more.</summary>
    internal bool IsUsable => _failure is null;

    /// <summary>Has a message stored in a target that the worker was told of.</summary>
    internal async ValueTask<WorkerAnswer> StoreAsync(int target, string sender, IMessageContent content, CancellationToken cancellation)
    {
        using CancellationTokenSource deadline = new(s_patience, _time);
        using CancellationTokenSource either = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellation);
        uint number = Interlocked.Increment(ref _number);
        bool begun = false;
        try
        {
            (byte kind, DeliveryResult? result) = await AskAsync(content.IsWhole ? WorkerFrame.Whole : WorkerFrame.Begin, number, target, sender, content.IsWhole ? content.Head : default, either.Token);
            if (kind == WorkerFrame.Opened && !content.IsWhole)
            {
                begun = true;
                (kind, result) = await SendLargeAsync(number, content, either.Token);
            }
            if (kind == WorkerFrame.Result) return new(result);
            if (kind == WorkerFrame.Unknown && !begun) return WorkerAnswer.Unknown;
        }
        catch (SocketException exception)
        {
            Fail(exception.Message);
        }
        catch (ObjectDisposedException)
        {
            Fail("it was let go");
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            Fail("it does not answer");
            begun = true;
        }
        finally
        {
            _waiting.TryRemove(number, out _);
        }
        return begun ? new(DeliveryResult.Temporary($"the delivery worker failed: {_failure}", 3, 0), IsLost: true) : WorkerAnswer.Lost;
    }

    /// <summary>Lets the worker end. Its socket has a copy in the parent, so it is shut down and not only closed.</summary>
    public void Dispose()
    {
        Fail("it was let go");
        try
        {
            _socket.Shutdown(SocketShutdown.Both);
        }
        catch (SocketException)
        {
            // The worker has ended already.
        }
        _socket.Dispose();
    }

    private async ValueTask<(byte Kind, DeliveryResult? Result)> AskAsync(byte kind, uint number, int target, string sender, ReadOnlyMemory<byte> message, CancellationToken cancellation)
    {
        TaskCompletionSource<(byte, DeliveryResult?)> answer = Expect(number);
        int length = WorkerPayload.PlaceLength(sender) + message.Length;
        byte[] frame = ArrayPool<byte>.Shared.Rent(WorkerFrame.HeaderLength + length);
        try
        {
            WorkerFrame.WriteHeader(frame, kind, number, length);
            WorkerPayload.PlaceOf(frame.AsSpan(WorkerFrame.HeaderLength), target, sender);
            message.Span.CopyTo(frame.AsSpan(WorkerFrame.HeaderLength + length - message.Length));
            await SendAsync(frame.AsMemory(0, WorkerFrame.HeaderLength + length), cancellation);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(frame);
        }
        return await answer.Task.WaitAsync(cancellation);
    }

    private TaskCompletionSource<(byte Kind, DeliveryResult? Result)> Expect(uint number)
    {
        TaskCompletionSource<(byte, DeliveryResult?)> answer = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _waiting[number] = answer;
        // It may have failed before this was entered: then nobody else will end it.
        if (_failure is not null) answer.TrySetResult(default);
        return answer;
    }

    private async ValueTask<(byte Kind, DeliveryResult? Result)> SendLargeAsync(uint number, IMessageContent content, CancellationToken cancellation)
    {
        TaskCompletionSource<(byte, DeliveryResult?)> answer = Expect(number);
        byte[] frame = ArrayPool<byte>.Shared.Rent(WorkerFrame.HeaderLength + Math.Max(BlockSize, content.Head.Length));
        bool ended = false;
        try
        {
            content.Head.CopyTo(frame.AsMemory(WorkerFrame.HeaderLength));
            int length = content.Head.Length;
            do await SendPartAsync(WorkerFrame.Data, length);
            while ((length = await content.ReadAsync(frame.AsMemory(WorkerFrame.HeaderLength, BlockSize), cancellation)) > 0);
            await SendPartAsync(WorkerFrame.End, 0);
            ended = true;
        }
        finally
        {
            if (!ended && IsUsable)
            {
                WorkerFrame.WriteHeader(frame, WorkerFrame.Abort, number, 0);
                await SendAsync(frame.AsMemory(0, WorkerFrame.HeaderLength), CancellationToken.None);
            }
            ArrayPool<byte>.Shared.Return(frame);
        }
        return await answer.Task.WaitAsync(cancellation);

        ValueTask SendPartAsync(byte kind, int length)
        {
            WorkerFrame.WriteHeader(frame, kind, number, length);
            return SendAsync(frame.AsMemory(0, WorkerFrame.HeaderLength + length), cancellation);
        }
    }

    private async ValueTask SendAsync(ReadOnlyMemory<byte> frame, CancellationToken cancellation)
    {
        await _sending.WaitAsync(cancellation);
        bool sent = false;
        try
        {
            for (int done = 0; done < frame.Length;) done += await _socket.SendAsync(frame[done..], SocketFlags.None, cancellation);
            sent = true;
        }
        finally
        {
            // Half a frame leaves the conversation without meaning.
            if (!sent) Fail("a frame was not sent");
            _sending.Release();
        }
    }

    private async Task ReceiveAsync()
    {
        string why = "it ended";
        byte[] input = new byte[WorkerFrame.HeaderLength + WorkerFrame.MaxResult];
        int begin = 0, end = 0;
        try
        {
            while (true)
            {
                while (end - begin >= WorkerFrame.HeaderLength)
                {
                    if (!WorkerFrame.TryReadHeader(input.AsSpan(begin), out byte kind, out uint number, out int length) || length > WorkerFrame.MaxResult)
                    {
                        Fail("it says nothing intelligible");
                        return;
                    }
                    if (end - begin < WorkerFrame.HeaderLength + length) break;
                    Take(kind, number, input.AsSpan(begin + WorkerFrame.HeaderLength, length));
                    begin += WorkerFrame.HeaderLength + length;
                }
                input.AsSpan(begin, end - begin).CopyTo(input);
                (begin, end) = (0, end - begin);
                int got = await _socket.ReceiveAsync(input.AsMemory(end), SocketFlags.None);
                if (got == 0) break;
                end += got;
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

    private void Take(byte kind, uint number, ReadOnlySpan<byte> payload)
    {
        DeliveryResult? result = null;
        if (kind == WorkerFrame.Result && (result = WorkerPayload.ReadResult(payload)) is null) result = DeliveryResult.Temporary("the delivery worker says nothing intelligible", 3, 0);
        if (_waiting.TryGetValue(number, out TaskCompletionSource<(byte, DeliveryResult?)>? answer)) answer.TrySetResult((kind, result));
    }

    private void Fail(string why)
    {
        _failure ??= why;
        foreach (TaskCompletionSource<(byte, DeliveryResult?)> answer in _waiting.Values) answer.TrySetResult(default);
    }
}

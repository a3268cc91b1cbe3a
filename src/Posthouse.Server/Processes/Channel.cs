using System.Buffers.Binary;
using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;
using Posthouse.Server.Native;

namespace Posthouse.Server.Processes;

// A packet is kind (1 byte), number (4 bytes), payload; descriptors travel beside it. Either side may ask; an answer bears the
// number of its question. One thread receives. A question that is to be served goes to the thread pool, at most
// MaxServed at a time: beyond that nothing is received, so that whoever floods waits for itself. Nobody asks more than that at a time,
// so this happens to the hostile alone; two who flooded each other would each wait for the other to receive. Sending blocks, at
// the most for s_patience: a peer that does not read that long is as good as dead, and the conversation ends.

/// <summary>A conversation between two processes of the server, over a pair of sockets that only they have. Nothing that the other side sends can do more than end it.</summary>
internal sealed class Channel : IDisposable
{
    /// <summary>Longest payload in bytes; what is longer travels as a descriptor.</summary>
    internal const int MaxPayload = PacketSocket.MaxPacket - Header;

    private const int Header = 5;
    private const int MaxServed = 256;
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);

    private readonly PacketSocket _socket;
    private readonly string _peer;
    private readonly Func<ChannelRequest, CancellationToken, ValueTask<ChannelAnswer>> _serve;
    private readonly ILogger _logger;
    private readonly ConcurrentDictionary<uint, TaskCompletionSource<ChannelAnswer?>> _waiting = new();
    private readonly SemaphoreSlim _asking = new(MaxServed);
    private readonly SemaphoreSlim _serving = new(MaxServed);
    private readonly CancellationTokenSource _end = new();
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _sending = new();
    private uint _number;

    /// <summary>
    /// Takes over a descriptor, received from at once. <paramref name="serve"/> answers the other side's questions; what it throws ends up in the log
    /// and as no answer. <paramref name="peer"/> is the other side's name, for the log.
    /// </summary>
    internal Channel(int descriptor, string peer, Func<ChannelRequest, CancellationToken, ValueTask<ChannelAnswer>> serve, ILogger logger)
    {
        _socket = new(descriptor);
        _socket.SetSendTimeout(s_patience);
        _peer = peer;
        _serve = serve;
        _logger = logger;
        new Thread(Receive, 256 << 10) { IsBackground = true, Name = $"channel to {peer}" }.Start();
    }

    /// <summary>Completes when the other side has ended, or the conversation is broken.</summary>
    internal Task Ended => _ended.Task;

    /// <summary>
    /// Asks, at most 256 questions at a time. Null when there is no answer: the other side has ended, failed to answer, or <paramref name="limit"/> is over.
    /// Descriptors stay the caller's. The answer is to be disposed when it may bring descriptors.
    /// </summary>
    internal async ValueTask<ChannelAnswer?> AskAsync(MessageKind kind, ReadOnlyMemory<byte> payload, TimeSpan limit, CancellationToken cancellation, ReadOnlyMemory<int> descriptors = default)
    {
        if (!await _asking.WaitAsync(limit, cancellation))
        {
            ProcessesLog.NoAnswer(_logger, _peer, kind, limit.TotalSeconds);
            return null;
        }
        uint number = Interlocked.Increment(ref _number);
        TaskCompletionSource<ChannelAnswer?> answer = new(TaskCreationOptions.RunContinuationsAsynchronously);
        _waiting[number] = answer;
        bool given = false;
        try
        {
            if (_ended.Task.IsCompleted || !Send(kind, number, payload.Span, descriptors.Span)) return null;
            ChannelAnswer? result = await answer.Task.WaitAsync(limit, cancellation);
            given = true;
            return result;
        }
        catch (TimeoutException)
        {
            ProcessesLog.NoAnswer(_logger, _peer, kind, limit.TotalSeconds);
            return null;
        }
        finally
        {
            _asking.Release();
            _waiting.TryRemove(number, out _);
            // It may have come at the last moment, with descriptors.
            if (!given && !answer.TrySetResult(null)) (await answer.Task)?.Dispose();
        }
    }

    /// <summary>Ends the conversation; questions that wait are not answered.</summary>
    public void Dispose() => End();

    private void Receive()
    {
        byte[] packet = new byte[PacketSocket.MaxPacket];
        Span<int> descriptors = stackalloc int[PacketSocket.MaxDescriptors];
        while (true)
        {
            int length = _socket.Receive(packet, descriptors, out int count);
            SafeFileHandle[] handles = new SafeFileHandle[count];
            for (int i = 0; i < count; i++) handles[i] = new(descriptors[i], ownsHandle: true);
            if (length < Header)
            {
                foreach (SafeFileHandle handle in handles) handle.Dispose();
                if (length < 0 && !_end.IsCancellationRequested) ProcessesLog.ChannelBroken(_logger, _peer, Errno.Text(-length));
                End();
                return;
            }
            uint number = BinaryPrimitives.ReadUInt32LittleEndian(packet.AsSpan(1));
            byte[] payload = packet[Header..length];
            if (packet[0] == (byte)MessageKind.Answer)
            {
                ChannelAnswer answer = new(payload, handles);
                if (!_waiting.TryRemove(number, out TaskCompletionSource<ChannelAnswer?>? waiting) || !waiting.TrySetResult(answer)) answer.Dispose();
                continue;
            }
            try
            {
                _serving.Wait(_end.Token);
            }
            catch (OperationCanceledException)
            {
                foreach (SafeFileHandle handle in handles) handle.Dispose();
                return;
            }
            ChannelRequest request = new((MessageKind)packet[0], payload, handles);
            _ = Task.Run(() => ServeAsync(request, number));
        }
    }

    private async Task ServeAsync(ChannelRequest request, uint number)
    {
        try
        {
            using (request)
            {
                using ChannelAnswer answer = await _serve(request, _end.Token);
                int[] descriptors = new int[answer.Descriptors.Length];
                for (int i = 0; i < descriptors.Length; i++) descriptors[i] = (int)answer.Descriptors[i].DangerousGetHandle();
                Send(MessageKind.Answer, number, answer.Payload.Span, descriptors);
            }
        }
        catch (OperationCanceledException) when (_end.IsCancellationRequested)
        {
            // Nobody is there to be answered.
        }
        catch (Exception exception)
        {
            // The border of one question: a bug in answering it must not end the others. The empty answer reads as a failure.
            ProcessesLog.QuestionFailed(_logger, _peer, request.Kind, exception);
            Send(MessageKind.Answer, number, default, default);
        }
        finally
        {
            _serving.Release();
        }
    }

    private bool Send(MessageKind kind, uint number, ReadOnlySpan<byte> payload, ReadOnlySpan<int> descriptors)
    {
        if (payload.Length > MaxPayload) throw new ArgumentException("a payload out of bounds", nameof(payload));
        Span<byte> small = stackalloc byte[1024];
        Span<byte> packet = Header + payload.Length <= small.Length ? small[..(Header + payload.Length)] : new byte[Header + payload.Length];
        packet[0] = (byte)kind;
        BinaryPrimitives.WriteUInt32LittleEndian(packet[1..], number);
        payload.CopyTo(packet[Header..]);
        int error;
        lock (_sending) error = _socket.Send(packet, descriptors);
        if (error == 0) return true;
        if (error != Errno.BrokenPipe && !_end.IsCancellationRequested) ProcessesLog.ChannelBroken(_logger, _peer, Errno.Text(error));
        End();
        return false;
    }

    private void End()
    {
        lock (_sending)
        {
            if (_end.IsCancellationRequested) return;
            _end.Cancel();
        }
        _socket.Dispose();
        _ended.TrySetResult();
        foreach (TaskCompletionSource<ChannelAnswer?> waiting in _waiting.Values) waiting.TrySetResult(null);
    }
}

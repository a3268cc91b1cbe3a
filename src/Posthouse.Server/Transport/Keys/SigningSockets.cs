using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Posthouse.Server.Native;

namespace Posthouse.Server.Transport.Keys;

// Each socket is one caller's at a time, so that nobody waits for another's answer and no thread is needed to hand answers out:
// the caller sends, and blocks in the receive. What a caller gave up waiting for may still come; it
// bears an old number, and whoever has the socket then drops it.

/// <summary>Signs by keys that another process holds, over sockets to it. Blocks its callers, for two seconds at the most.</summary>
internal sealed class SigningSockets : IKeySigner, IDisposable
{
    /// <summary>How long a signature may take.</summary>
    internal static readonly TimeSpan DefaultLimit = TimeSpan.FromSeconds(2);

    private static readonly TimeSpan s_slack = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan s_shortest = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan s_logInterval = TimeSpan.FromSeconds(10);

    private readonly TimeSpan _limit;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly Lock _logging = new();
    private Pool _pool = new([]);
    private ulong _number;
    private long _signatures;
    private long _failures;
    private long _failuresLogged;
    private long? _loggedAt;

    /// <summary>Has no sockets yet: signatures fail. <paramref name="time"/> is for the log; the limit is one of real time.</summary>
    internal SigningSockets(TimeProvider time, ILogger logger, TimeSpan? limit = null)
    {
        _time = time;
        _logger = logger;
        _limit = limit ?? DefaultLimit;
    }

    /// <summary>Signatures made so far.</summary>
    internal long Signatures => Volatile.Read(ref _signatures);

    /// <summary>Signatures not made.</summary>
    internal long Failures => Volatile.Read(ref _failures);

    /// <summary>Takes over the descriptors of sockets to a new keys process. Whoever waits on an old one goes on with it; who waits for one gets a new one.</summary>
    internal void Replace(IReadOnlyList<int> descriptors)
    {
        PacketSocket[] sockets = [.. descriptors.Select(static descriptor => new PacketSocket(descriptor))];
        foreach (PacketSocket socket in sockets)
        {
            socket.SetSendTimeout(_limit);
            socket.SetReceiveTimeout(_limit);
        }
        Interlocked.Exchange(ref _pool, new Pool(sockets)).Retire();
    }

    /// <inheritdoc/>
    public int Sign(KeyId key, KeyOperation operation, ReadOnlySpan<byte> input, Span<byte> signature, out string? problem)
    {
        long deadline = Stopwatch.GetTimestamp() + (long)(_limit.TotalSeconds * Stopwatch.Frequency);
        int length = 0;
        if (input.Length is 0 or > SignatureInput.MaxSize)
        {
            problem = "out of bounds";
        }
        else
        {
            Pool pool;
            PacketSocket? socket;
            do
            {
                pool = Volatile.Read(ref _pool);
                socket = pool.Take(deadline, out problem);
            }
            while (socket is null && pool != Volatile.Read(ref _pool));
            if (socket is not null)
            {
                Outcome outcome = Ask(socket, deadline, key, operation, input, signature, out length, out problem);
                pool.Return(socket, outcome);
            }
        }
        if (length > 0) Interlocked.Increment(ref _signatures);
        else Failed(problem!);
        return length;
    }

    /// <summary>Closes all sockets; signatures fail from now on.</summary>
    public void Dispose() => Replace([]);

    private Outcome Ask(
        PacketSocket socket, long deadline, KeyId key, KeyOperation operation, ReadOnlySpan<byte> input, Span<byte> signature, out int length, out string? problem)
    {
        Span<byte> packet = stackalloc byte[Math.Max(SigningPacket.MaxRequest, SigningPacket.MaxAnswer)];
        ulong number = Interlocked.Increment(ref _number);
        length = 0;
        int error = socket.Send(packet[..SigningPacket.WriteRequest(packet, number, key, operation, input)], []);
        if (error != 0)
        {
            problem = error == Errno.Again ? "the keys process does not read" : "the keys process is gone";
            return error == Errno.Again ? Outcome.Late : Outcome.Broken;
        }
        bool isShortened = false;
        TimeSpan left = Stopwatch.GetElapsedTime(Stopwatch.GetTimestamp(), deadline);
        try
        {
            // Some time went by while all sockets were in use.
            if (left < _limit - s_slack) Shorten();
            while (true)
            {
                int got = socket.Receive(packet, [], out _);
                if (got >= SigningPacket.AnswerHeader && SigningPacket.NumberOf(packet) == number)
                {
                    length = SigningPacket.ReadAnswer(packet[..got], signature, out problem);
                    return Outcome.Answered;
                }
                if (got == -Errno.Again) break;
                if (got < SigningPacket.AnswerHeader)
                {
                    problem = "the keys process is gone";
                    return Outcome.Broken;
                }
                left = Stopwatch.GetElapsedTime(Stopwatch.GetTimestamp(), deadline);
                if (left <= TimeSpan.Zero) break;
                Shorten();
            }
        }
        finally
        {
            if (isShortened) socket.SetReceiveTimeout(_limit);
        }
        problem = $"no answer within {_limit.TotalSeconds} s";
        return Outcome.Late;

        void Shorten()
        {
            // None at all would mean for ever.
            socket.SetReceiveTimeout(left > s_shortest ? left : s_shortest);
            isShortened = true;
        }
    }

    private void Failed(string problem)
    {
        lock (_logging)
        {
            long failures = ++_failures;
            if (_loggedAt is { } at && _time.GetElapsedTime(at) < s_logInterval) return;
            TransportLog.NoSignature(_logger, failures - _failuresLogged, problem);
            _failuresLogged = failures;
            _loggedAt = _time.GetTimestamp();
        }
    }

    private enum Outcome
    {
        Answered,
        Late,
        Broken,
    }

    /// <summary>The sockets to one keys process.</summary>
    private sealed class Pool(PacketSocket[] sockets)
    {
        private readonly List<PacketSocket> _idle = [.. sockets];
        private int _open = sockets.Length;
        private bool _isRetired;

        internal PacketSocket? Take(long deadline, out string? problem)
        {
            lock (_idle)
            {
                while (true)
                {
                    problem = "the keys process is gone";
                    if (_open == 0 || _isRetired) return null;
                    if (_idle.Count > 0)
                    {
                        PacketSocket socket = _idle[^1];
                        _idle.RemoveAt(_idle.Count - 1);
                        problem = null;
                        return socket;
                    }
                    problem = "too many wait for signatures";
                    TimeSpan left = Stopwatch.GetElapsedTime(Stopwatch.GetTimestamp(), deadline);
                    if (left <= TimeSpan.Zero || !Monitor.Wait(_idle, left)) return null;
                }
            }
        }

        internal void Return(PacketSocket socket, Outcome outcome)
        {
            lock (_idle)
            {
                bool isBroken = outcome == Outcome.Broken || _isRetired;
                if (isBroken) _open--;
                // Behind a late answer the other side may still be busy: that socket is the last to be taken.
                else _idle.Insert(outcome == Outcome.Late ? 0 : _idle.Count, socket);
                if (isBroken) Monitor.PulseAll(_idle);
                else Monitor.Pulse(_idle);
                if (!isBroken) return;
            }
            socket.Dispose();
        }

        internal void Retire()
        {
            PacketSocket[] idle;
            lock (_idle)
            {
                _isRetired = true;
                idle = [.. _idle];
                _idle.Clear();
                Monitor.PulseAll(_idle);
            }
            foreach (PacketSocket socket in idle) socket.Dispose();
        }
    }
}

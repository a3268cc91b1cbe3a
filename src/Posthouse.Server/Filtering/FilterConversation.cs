using System.Buffers;
using System.Net.Sockets;

namespace Posthouse.Server.Filtering;

/// <summary>
/// What goes to one process of a filter: lines are collected, and written together by whoever flushes first, as far as the pipe takes them; the rest
/// follows by itself. Collecting is guarded by the lock of the instance; the writing is not under it.
/// </summary>
internal sealed class FilterConversation(Socket socket, Lock guard, TimeProvider time, Action drained)
{
    private byte[] _filling = ArrayPool<byte>.Shared.Rent(16 * 1024);
    private int _filled;
    private byte[] _spare = [];
    private bool _isSending;
    private bool _isClosed;

    internal Socket Socket => socket;

    /// <summary>Bytes that wait; under the lock.</summary>
    internal int Waiting => _filled + Sending;

    /// <summary>When the pipe last took something, or had nothing to take; for finding one that is stuck.</summary>
    internal long ProgressAt { get; private set; } = time.GetTimestamp();

    internal bool IsStalled => _isSending;

    private int Sending { get; set; }

    /// <summary>Room for so many bytes behind what is collected; under the lock. Say by <see cref="Advance"/> how much of it was used.</summary>
    internal Span<byte> Room(int length)
    {
        if (_filling.Length - _filled < length)
        {
            byte[] larger = ArrayPool<byte>.Shared.Rent(Math.Max(2 * _filling.Length, _filled + length));
            _filling.AsSpan(0, _filled).CopyTo(larger);
            ArrayPool<byte>.Shared.Return(_filling);
            _filling = larger;
        }
        return _filling.AsSpan(_filled);
    }

    /// <summary>See <see cref="Room"/>.</summary>
    internal void Advance(int length) => _filled += length;

    /// <summary>Collects a line; under the lock.</summary>
    internal void Add(ReadOnlySpan<byte> line)
    {
        line.CopyTo(Room(line.Length));
        Advance(line.Length);
    }

    /// <summary>Writes what is collected, unless somebody does; not under the lock. Never blocks.</summary>
    internal void Flush()
    {
        if (!TryTake(first: true, out byte[] block, out int length)) return;
        while (true)
        {
            if (TrySend(block.AsSpan(0, length)) is not { } sent)
            {
                GiveUp(block);
                return;
            }
            if (sent < length)
            {
                _ = SendRestAsync(block, sent, length);
                return;
            }
            GiveBack(block);
            drained();
            if (!TryTake(first: false, out block, out length)) return;
        }
    }

    /// <summary>Nothing goes out any more; under the lock.</summary>
    internal void Close()
    {
        _isClosed = true;
        _filled = 0;
    }

    // As much as the pipe takes at once; null when the process has ended.
    private int? TrySend(ReadOnlySpan<byte> bytes)
    {
        try
        {
            int sent = socket.Send(bytes, SocketFlags.None, out SocketError error);
            return error switch { SocketError.Success => sent, SocketError.WouldBlock => 0, _ => null };
        }
        catch (ObjectDisposedException)
        {
            return null;
        }
    }

    private async Task SendRestAsync(byte[] block, int sent, int length)
    {
        try
        {
            while (true)
            {
                while (sent < length)
                {
                    sent += await socket.SendAsync(block.AsMemory(sent, length - sent), SocketFlags.None);
                    lock (guard)
                    {
                        Sending = length - sent;
                        ProgressAt = time.GetTimestamp();
                    }
                }
                GiveBack(block);
                drained();
                if (!TryTake(first: false, out block, out length)) return;
                sent = 0;
            }
        }
        catch (Exception error) when (error is SocketException or ObjectDisposedException)
        {
            // The process has ended; whoever reads from it knows.
            GiveUp(block);
        }
    }

    private bool TryTake(bool first, out byte[] block, out int length)
    {
        lock (guard)
        {
            (block, length) = ([], 0);
            if (first && _isSending) return false;
            if (_filled == 0 || _isClosed)
            {
                _isSending = false;
                return false;
            }
            (block, length) = (_filling, _filled);
            _filling = _spare.Length > 0 ? _spare : ArrayPool<byte>.Shared.Rent(16 * 1024);
            _spare = [];
            _filled = 0;
            Sending = length;
            if (!_isSending) ProgressAt = time.GetTimestamp();
            _isSending = true;
            return true;
        }
    }

    private void GiveBack(byte[] block)
    {
        lock (guard)
        {
            Sending = 0;
            ProgressAt = time.GetTimestamp();
            // A burst's large block is not kept.
            if (_spare.Length == 0 && block.Length <= 256 * 1024) _spare = block;
            else ArrayPool<byte>.Shared.Return(block);
        }
    }

    private void GiveUp(byte[] block)
    {
        lock (guard)
        {
            _isSending = false;
            Sending = 0;
            Close();
        }
        ArrayPool<byte>.Shared.Return(block);
    }
}

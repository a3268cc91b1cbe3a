using System.Collections.Concurrent;
using System.ComponentModel;
using System.Runtime.InteropServices;

namespace Posthouse.Plugs.Filters;

/// <summary>
/// Reads the server's lines and writes the answers, on one thread: answers go out together when the input is drained. It never waits for room to write while there
/// is something to read, until a bounded amount of answers has gathered; then it stops reading and leaves the rest to the server.
/// </summary>
internal sealed unsafe class FilterLoop : IDisposable
{
    private const int InputSize = 256 * 1024, MaxOutput = 1024 * 1024, MaxWaiting = 8 * 1024 * 1024, PipeBlock = 4096, MaxGarbage = 8 * 1024 * 1024;
    private static readonly TimeSpan s_end = TimeSpan.FromSeconds(5);
    private readonly int _input, _output, _wake;
    private readonly byte[] _bytes = GC.AllocateUninitializedArray<byte>(InputSize, pinned: true);
    private readonly OutputBuffer _answers = new();
    private readonly ConcurrentQueue<Session> _resumed = new();
    private int _start, _end;
    private long _collectedAt = GC.GetTotalAllocatedBytes();
    private bool _isSocket = true, _hasEnded, _needsMore, _isClosed, _polls;
    private volatile bool _isStopped;

    public FilterLoop(Handlers handlers, int input, int output, TextWriter log)
    {
        (_input, _output) = (input, output);
        _wake = Libc.EventDescriptor(0, Libc.CloseOnExec);
        if (_wake < 0) throw new Win32Exception(Marshal.GetLastPInvokeError());
        Dispatcher = new(handlers, _answers, Resume, log);
    }

    public Dispatcher Dispatcher { get; }

    // While the one who reads our answers is slow, nothing more is taken in.
    private bool IsFull => _answers.Pending >= MaxOutput || Dispatcher.WaitingBytes >= MaxWaiting;

    public void Dispose()
    {
        lock (_resumed)
        {
            _isClosed = true;
            Libc.Close(_wake);
        }
    }

    public void Stop()
    {
        _isStopped = true;
        Wake();
    }

    /// <summary>Runs until the input ends; returns the exit code.</summary>
    public int Run()
    {
        long endBy = long.MaxValue;
        while (!_isStopped)
        {
            while (_resumed.TryDequeue(out Session? session)) Dispatcher.Resume(session);
            if (!TakeLines()) return 1;
            while (Dispatcher.HasContent && _answers.Pending < MaxOutput) Dispatcher.PumpOnce();
            if (!Write()) break;
            if (_hasEnded && ((_answers.Pending == 0 && Dispatcher.Busy == 0) || Environment.TickCount64 >= endBy)) break;
            if (Dispatcher.HasContent && _answers.Pending < MaxOutput) continue;
            if (HasLine() && !IsFull) continue;
            bool reads = !_hasEnded && !IsFull;
            if ((!reads || _polls || _answers.Pending > 0 || Dispatcher.Busy > 0) && !Wait(ref reads, endBy)) continue;
            BoundGarbage();
            if (!reads || Read()) continue;
            _hasEnded = true;
            endBy = Environment.TickCount64 + (long)s_end.TotalMilliseconds;
        }

        Dispatcher.Close();
        return 0;
    }

    // Left alone, garbage piles up to about the size of the processor's cache before it is collected: hundreds of megabytes on some machines, in each of a server's filters.
    private void BoundGarbage()
    {
        long allocated = GC.GetTotalAllocatedBytes();
        if (allocated - _collectedAt < MaxGarbage) return;
        _collectedAt = allocated;
        GC.Collect(0);
    }

    private void Resume(Session session)
    {
        _resumed.Enqueue(session);
        Wake();
    }

    private void Wake()
    {
        ulong one = 1;
        // A handler may end after the loop, when the descriptor is somebody else's.
        lock (_resumed)
        {
            if (!_isClosed) Libc.Write(_wake, (byte*)&one, sizeof(ulong));
        }
    }

    private bool HasLine() => !_needsMore && _bytes.AsSpan(_start, _end - _start).Contains((byte)'\n');

    /// <summary>Handles every line that is there; false when the stream is broken.</summary>
    private bool TakeLines()
    {
        _needsMore = false;
        while (!IsFull)
        {
            ReadOnlySpan<byte> rest = _bytes.AsSpan(_start, _end - _start);
            int end = rest.IndexOf((byte)'\n');
            if (end < 0)
            {
                if (rest.Length < InputSize) break;
                Dispatcher.Log("a line of the server is longer than 256 KiB");
                return false;
            }

            ReadOnlySpan<byte> text = rest[..end];
            int used = end + 1;
            if (!WireLine.TryParse(text, out WireLine line))
            {
                _start += used;
                Dispatcher.Configure(text);
                continue;
            }

            ReadOnlySpan<byte> payload = default;
            if (line.IsBulk)
            {
                int length = line.PayloadLength;
                if (length < 0)
                {
                    Dispatcher.Log("a chunk of the server has no length that can be");
                    return false;
                }

                if (rest.Length < used + length)
                {
                    _needsMore = true;
                    break;
                }

                payload = rest.Slice(used, length);
                used += length;
            }

            _start += used;
            Dispatcher.Dispatch(text, line, payload);
        }

        if (_start == _end) _start = _end = 0;
        return true;
    }

    /// <summary>Waits for whatever is next. Says whether <paramref name="reads"/> may be acted on, which tells if there is input.</summary>
    private bool Wait(ref bool reads, long endBy)
    {
        Libc.PollEntry* entries = stackalloc Libc.PollEntry[3];
        entries[0] = new() { Descriptor = reads ? _input : -1, Events = Libc.PollIn };
        entries[1] = new() { Descriptor = _answers.Pending > 0 ? _output : -1, Events = Libc.PollOut };
        entries[2] = new() { Descriptor = _wake, Events = Libc.PollIn };
        int timeout = endBy == long.MaxValue ? -1 : (int)Math.Clamp(endBy - Environment.TickCount64, 0, 60000);
        if (Libc.Poll(entries, 3, timeout) < 0) return false;
        if (entries[2].Happened != 0)
        {
            ulong count;
            Libc.Read(_wake, (byte*)&count, sizeof(ulong));
        }

        reads = entries[0].Happened != 0;
        return reads;
    }

    /// <summary>Takes in what is there, at least one byte; false at the end.</summary>
    private bool Read()
    {
        if (_start > 0 && InputSize - _end < InputSize / 2)
        {
            _bytes.AsSpan(_start, _end - _start).CopyTo(_bytes);
            (_start, _end) = (0, _end - _start);
        }

        fixed (byte* free = &_bytes[_end])
        {
            nint count = Libc.Read(_input, free, InputSize - _end);
            if (count > 0) _end += (int)count;
            if (count >= 0) return count > 0;
            // Somebody has made the descriptor one that does not wait; then poll has to.
            _polls |= Marshal.GetLastPInvokeError() == Libc.Again;
            return Marshal.GetLastPInvokeError() is Libc.Interrupted or Libc.Again;
        }
    }

    /// <summary>Writes as much as goes without waiting; false when nobody reads any more.</summary>
    private bool Write()
    {
        while (_answers.Pending > 0)
        {
            nint count;
            fixed (byte* bytes = _answers.Content)
            {
                if (_isSocket)
                {
                    count = Libc.Send(_output, bytes, _answers.Pending, Libc.DoNotWait | Libc.NoSignal);
                    if (count < 0 && Marshal.GetLastPInvokeError() == Libc.NotASocket)
                    {
                        _isSocket = false;
                        continue;
                    }
                }
                else
                {
                    // A pipe that is ready takes this much without waiting.
                    Libc.PollEntry ready = new() { Descriptor = _output, Events = Libc.PollOut };
                    if (Libc.Poll(&ready, 1, 0) == 0) return true;
                    count = Libc.Write(_output, bytes, Math.Min(_answers.Pending, PipeBlock));
                }
            }

            if (count >= 0) _answers.Remove((int)count);
            else if (Marshal.GetLastPInvokeError() == Libc.Again) return true;
            else if (Marshal.GetLastPInvokeError() != Libc.Interrupted) return false;
        }

        return true;
    }
}

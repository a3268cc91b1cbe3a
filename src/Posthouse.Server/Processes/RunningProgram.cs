using Posthouse.Server.Native;

namespace Posthouse.Server.Processes;

/// <summary>
/// A program with a pipe to its standard input and one from its output. One thread serves both with poll(2): whatever the
/// program does first, read, write or nothing, nobody waits for the other for ever.
/// </summary>
internal sealed unsafe class RunningProgram : IDeliveryProgram
{
    private const short Readable = 1;
    private const short Writable = 4;
    private const int OutputBound = 4096;
    private const int LongestWait = 1000;

    private readonly int _process;
    private int _processDescriptor;
    private readonly TimeProvider _time;
    private readonly TimeSpan _limit;
    private readonly long _start;
    private readonly byte[] _output = new byte[OutputBound * 2];
    private int _outputLength;
    private int _input;
    private int _outputDescriptor;
    private bool _ended;
    private int _code;
    private int _signal;
    private bool _timedOut;
    private readonly Lock _killing = new();

    /// <summary>Takes over a child and our ends of its pipes.</summary>
    internal RunningProgram(int process, int input, int output, TimeProvider time, TimeSpan limit)
    {
        _process = process;
        _input = input;
        _outputDescriptor = output;
        _time = time;
        _limit = limit;
        _start = time.GetTimestamp();
        _processDescriptor = ChildProcess.OpenDescriptor(process);
        DescriptorPair.SetNonBlocking(input);
        DescriptorPair.SetNonBlocking(output);
    }

    /// <inheritdoc/>
    public bool Write(ReadOnlySpan<byte> block)
    {
        fixed (byte* start = block)
        {
            for (int done = 0; done < block.Length;)
            {
                nint written = Libc.write(_input, start + done, (nuint)(block.Length - done));
                if (written > 0)
                {
                    done += (int)written;
                    continue;
                }
                if (Errno.Last == Errno.Interrupted) continue;
                if (Errno.Last != Errno.Again || !Wait(forInput: true)) return false;
            }
        }
        return true;
    }

    /// <inheritdoc/>
    public ProgramExit Finish()
    {
        Close(ref _input);
        while (!TryReap() && Wait(forInput: false)) ;
        if (!_ended)
        {
            Kill();
            Reap();
        }
        ReadOutput();
        return new(_code, _signal, _timedOut, _output[Math.Max(0, _outputLength - OutputBound).._outputLength]);
    }

    /// <inheritdoc/>
    public void Kill()
    {
        // After it has been reaped its number may be another process's.
        lock (_killing)
            if (!_ended) ChildProcess.Kill(_process);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Close(ref _input);
        Kill();
        if (!_ended) Reap();
        Close(ref _outputDescriptor);
        Close(ref _processDescriptor);
    }

    // Waits until there is something to do; false when the deadline has passed.
    private bool Wait(bool forInput)
    {
        double left = (_limit - _time.GetElapsedTime(_start)).TotalMilliseconds;
        if (left <= 0)
        {
            _timedOut = true;
            return false;
        }
        Libc.PollDescriptor* descriptors = stackalloc Libc.PollDescriptor[3];
        descriptors[0] = new() { Descriptor = _outputDescriptor, Events = Readable };
        descriptors[1] = new() { Descriptor = forInput ? _input : -1, Events = Writable };
        descriptors[2] = new() { Descriptor = _processDescriptor, Events = Readable };
        Libc.poll(descriptors, 3, (int)Math.Clamp(left, 1, _processDescriptor >= 0 ? LongestWait : 50));
        if (descriptors[0].Returned != 0) ReadOutput();
        // When it has ended, nobody will empty a full pipe; one of its children may still hold it.
        return !(forInput && descriptors[2].Returned != 0);
    }

    private void ReadOutput()
    {
        while (_outputDescriptor >= 0)
        {
            if (_outputLength == _output.Length)
            {
                _output.AsSpan(OutputBound).CopyTo(_output);
                _outputLength -= OutputBound;
            }
            nint got;
            fixed (byte* to = _output) got = Libc.read(_outputDescriptor, to + _outputLength, (nuint)(_output.Length - _outputLength));
            if (got > 0) _outputLength += (int)got;
            else if (got == 0 || Errno.Last is not (Errno.Interrupted or Errno.Again)) Close(ref _outputDescriptor);
            else if (Errno.Last == Errno.Again) return;
        }
    }

    private bool TryReap()
    {
        lock (_killing) _ended = _ended || ChildProcess.TryReap(_process, wait: false, out _code, out _signal);
        return _ended;
    }

    private void Reap()
    {
        lock (_killing)
        {
            if (!_ended) ChildProcess.TryReap(_process, wait: true, out _code, out _signal);
            _ended = true;
        }
    }

    private static void Close(ref int descriptor)
    {
        if (descriptor >= 0) Libc.close(descriptor);
        descriptor = -1;
    }
}

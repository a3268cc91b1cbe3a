using Posthouse.Server.Native;

namespace Posthouse.Server.Processes;

/// <summary>
/// A program that the parent runs, as three descriptors: a pipe to its standard input, one from its output, and the socket on which
/// the parent says how it ended (<see cref="ProgramStatus"/>). One thread serves them with poll(2): whatever the program
/// does first, read, write or nothing, nobody waits for the other for ever. The parent holds the program to its deadline; the one here is for a parent that does not.
/// </summary>
internal sealed unsafe class RunningProgram : IDeliveryProgram
{
    private const short Readable = 1;
    private const short Writable = 4;
    private const int OutputBound = 4096;
    private const int LongestWait = 1000;
    private const int Killed = 9;
    private const int BothWays = 2;
    private const int Sending = 1;

    private readonly TimeProvider _time;
    private readonly TimeSpan _limit;
    private readonly long _start;
    private readonly byte[] _output = new byte[OutputBound * 2];
    private int _outputLength;
    private int _input;
    private int _outputDescriptor;
    private readonly SafeDescriptor _status;
    private readonly byte[] _end = new byte[ProgramStatus.Length];
    private int _endLength;
    private bool _ended;
    private bool _timedOut;

    /// <summary>Takes over the descriptors. The program is given up when <paramref name="limit"/> is over.</summary>
    internal RunningProgram(int input, int output, int status, TimeProvider time, TimeSpan limit)
    {
        _input = input;
        _outputDescriptor = output;
        _status = new(status);
        _time = time;
        _limit = limit;
        _start = time.GetTimestamp();
        DescriptorPair.SetNonBlocking(input);
        DescriptorPair.SetNonBlocking(output);
        DescriptorPair.SetNonBlocking(status);
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
        using (SafeDescriptor.Use status = _status.Enter())
        {
            byte word = ProgramStatus.InputEnds;
            if (status.IsOpen) Libc.write(status.Descriptor, &word, 1);
        }
        while (!_ended && Wait(forInput: false)) ;
        Kill();
        ReadOutput();
        byte[] output = _output[Math.Max(0, _outputLength - OutputBound).._outputLength];
        if (_endLength < ProgramStatus.Length) return new(0, Killed, _timedOut, output);
        (int code, int signal, bool timedOut) = ProgramStatus.Read(_end);
        return new(code, signal, timedOut || _timedOut, output);
    }

    /// <inheritdoc/>
    public void Kill()
    {
        // Only the one direction: how it ended can still come.
        using SafeDescriptor.Use status = _status.Enter();
        if (status.IsOpen) Libc.shutdown(status.Descriptor, Sending);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        using (SafeDescriptor.Use status = _status.Enter())
            if (status.IsOpen) Libc.shutdown(status.Descriptor, BothWays);
        _status.Dispose();
        Close(ref _input);
        Close(ref _outputDescriptor);
    }

    // Waits until there is something to do; false when there will not be: it has ended, or the deadline has passed.
    private bool Wait(bool forInput)
    {
        double left = (_limit - _time.GetElapsedTime(_start)).TotalMilliseconds;
        if (left <= 0)
        {
            _timedOut = true;
            return false;
        }
        using SafeDescriptor.Use status = _status.Enter();
        if (!status.IsOpen) return false;
        Libc.PollDescriptor* descriptors = stackalloc Libc.PollDescriptor[3];
        descriptors[0] = new() { Descriptor = _outputDescriptor, Events = Readable };
        descriptors[1] = new() { Descriptor = forInput ? _input : -1, Events = Writable };
        descriptors[2] = new() { Descriptor = status.Descriptor, Events = Readable };
        Libc.poll(descriptors, 3, (int)Math.Clamp(left, 1, LongestWait));
        if (descriptors[0].Returned != 0) ReadOutput();
        if (descriptors[2].Returned != 0) ReadEnd(status.Descriptor);
        // When it has ended, nobody will empty a full pipe; one of its children may still hold it.
        return !_ended;
    }

    private void ReadEnd(int status)
    {
        while (!_ended)
        {
            nint got;
            fixed (byte* to = _end) got = Libc.read(status, to + _endLength, (nuint)(_end.Length - _endLength));
            if (got > 0) _endLength += (int)got;
            else if (got < 0 && Errno.Last == Errno.Again) return;
            else if (got < 0 && Errno.Last == Errno.Interrupted) continue;
            _ended = got <= 0 || _endLength == _end.Length;
        }
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

    private static void Close(ref int descriptor)
    {
        if (descriptor >= 0) Libc.close(descriptor);
        descriptor = -1;
    }
}

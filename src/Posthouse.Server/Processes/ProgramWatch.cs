using Posthouse.Server.Native;

namespace Posthouse.Server.Processes;

/// <summary>
/// The programs that the parent runs for the engine, watched by one thread: each is reaped and its end told, held to its
/// deadline, and killed with all of its process group when whoever asked for it gives it up or dies.
/// </summary>
internal sealed unsafe class ProgramWatch : IDisposable
{
    /// <summary>Most programs at once.</summary>
    internal const int Bound = 1024;

    private const short Readable = 1;
    private const int LongestWait = 1000;
    private const int WaitWithoutDescriptor = 50;

    private readonly TimeProvider _time;
    private readonly List<Entry> _running = [];
    private readonly Thread _thread;
    private readonly int _wakeRead;
    private readonly int _wakeWrite;
    private int _reserved;
    private bool _disposed;

    internal ProgramWatch(TimeProvider time)
    {
        _time = time;
        if (DescriptorPair.Pipe(out _wakeRead, out _wakeWrite) is not 0 and int error) throw new IOException(Errno.Text(error));
        DescriptorPair.SetNonBlocking(_wakeRead);
        DescriptorPair.SetNonBlocking(_wakeWrite);
        _thread = new(Run, 256 << 10) { IsBackground = true, Name = "programs" };
        _thread.Start();
    }

    /// <summary>Reserves a place for one program; false when <paramref name="most"/> are taken. Give it back by <see cref="Release"/>, or fill it by <see cref="Add"/>.</summary>
    internal bool TryReserve(int most)
    {
        lock (_running)
        {
            if (_disposed || _reserved >= Math.Min(most, Bound)) return false;
            _reserved++;
            return true;
        }
    }

    /// <summary>Gives a place back.</summary>
    internal void Release()
    {
        lock (_running) _reserved--;
    }

    /// <summary>Takes over a child in a reserved place, a copy of the end of its standard input, and our end of its status socket.</summary>
    internal void Add(int process, int input, int status, TimeSpan limit)
    {
        DescriptorPair.SetNonBlocking(status);
        Entry entry = new(process, ChildProcess.OpenDescriptor(process), input, status, _time.GetTimestamp(), limit);
        lock (_running)
        {
            if (!_disposed)
            {
                _running.Add(entry);
                Wake();
                return;
            }
        }
        ChildProcess.Kill(process);
        ChildProcess.TryReap(process, wait: true, out int code, out int signal);
        End(entry, code, signal);
    }

    /// <summary>Kills all programs.</summary>
    public void Dispose()
    {
        lock (_running)
        {
            if (_disposed) return;
            _disposed = true;
            foreach (Entry entry in _running) ChildProcess.Kill(entry.Process);
            Wake();
        }
        if (_thread.Join(TimeSpan.FromSeconds(5))) Libc.close(_wakeWrite);
    }

    private void Wake()
    {
        byte word = 0;
        Libc.write(_wakeWrite, &word, 1);
    }

    private void Run()
    {
        Libc.PollDescriptor[] descriptors = new Libc.PollDescriptor[64];
        Entry[] running = [];
        while (true)
        {
            lock (_running)
            {
                if (_disposed && _running.Count == 0) break;
                running = [.. _running];
            }
            if (descriptors.Length < (2 * running.Length) + 1) Array.Resize(ref descriptors, 4 * running.Length);
            double wait = LongestWait;
            descriptors[0] = new() { Descriptor = _wakeRead, Events = Readable };
            for (int i = 0; i < running.Length; i++)
            {
                Entry entry = running[i];
                descriptors[(2 * i) + 1] = new() { Descriptor = entry.Descriptor, Events = Readable };
                descriptors[(2 * i) + 2] = new() { Descriptor = entry.GivenUp ? -1 : entry.Status, Events = Readable };
                if (entry.Descriptor < 0) wait = WaitWithoutDescriptor;
                if (!entry.TimedOut) wait = Math.Clamp(Left(entry), 1, wait);
            }
            fixed (Libc.PollDescriptor* list = descriptors) Libc.poll(list, (nuint)((2 * running.Length) + 1), (int)wait);
            if (descriptors[0].Returned != 0) Drain();
            for (int i = 0; i < running.Length; i++) Attend(running[i], descriptors[(2 * i) + 1].Returned != 0, descriptors[(2 * i) + 2].Returned != 0);
        }
        Libc.close(_wakeRead);
    }

    private double Left(Entry entry) => Math.Ceiling((entry.Limit - _time.GetElapsedTime(entry.Since)).TotalMilliseconds);

    private void Attend(Entry entry, bool ended, bool heard)
    {
        // How it ended comes first: a program that ends by itself at the last moment was not killed.
        if ((ended || entry.Descriptor < 0) && ChildProcess.TryReap(entry.Process, wait: false, out int code, out int signal))
        {
            End(entry, code, signal);
            return;
        }
        if (heard) Listen(entry);
        if (entry.TimedOut || Left(entry) > 0) return;
        entry.TimedOut = true;
        ChildProcess.Kill(entry.Process);
    }

    private static void Listen(Entry entry)
    {
        byte word;
        nint got = Libc.read(entry.Status, &word, 1);
        if (got < 0 && Errno.Last is Errno.Again or Errno.Interrupted) return;
        if (got == 1 && word == ProgramStatus.InputEnds)
        {
            entry.CloseInput();
            return;
        }
        entry.GivenUp = true;
        ChildProcess.Kill(entry.Process);
    }

    private void End(Entry entry, int code, int signal)
    {
        byte* end = stackalloc byte[ProgramStatus.Length];
        ProgramStatus.Write(new(end, ProgramStatus.Length), code, signal, entry.TimedOut);
        Libc.write(entry.Status, end, ProgramStatus.Length);
        Libc.close(entry.Status);
        if (entry.Descriptor >= 0) Libc.close(entry.Descriptor);
        entry.CloseInput();
        lock (_running)
        {
            _running.Remove(entry);
            _reserved--;
        }
    }

    private void Drain()
    {
        byte* words = stackalloc byte[64];
        while (Libc.read(_wakeRead, words, 64) == 64) ;
    }

    private sealed class Entry(int process, int descriptor, int input, int status, long since, TimeSpan limit)
    {
        private int _input = input;

        internal int Process => process;

        internal int Descriptor => descriptor;

        internal int Status => status;

        internal long Since => since;

        internal TimeSpan Limit => limit;

        internal bool GivenUp;
        internal bool TimedOut;

        internal void CloseInput()
        {
            if (_input >= 0) Libc.close(_input);
            _input = -1;
        }
    }
}

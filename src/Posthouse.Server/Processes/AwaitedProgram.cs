using Posthouse.Server.Native;

namespace Posthouse.Server.Processes;

/// <summary>A child that is waited for on the spot, with what it writes.</summary>
internal static unsafe class AwaitedProgram
{
    private const short Readable = 1;
    private const int OutputBound = 4096;
    private const int LongestWait = 1000;
    private const int WaitWithoutDescriptor = 50;

    /// <summary>
    /// Waits until a child ends; kills it with its process group at the deadline, and when <paramref name="stop"/> says so. Closes <paramref name="output"/>, our end of the
    /// pipe that it writes to, of which the beginning (4 KiB) is kept.
    /// </summary>
    internal static ProgramExit Finish(int process, int output, TimeProvider time, TimeSpan limit, CancellationToken stop)
    {
        long start = time.GetTimestamp();
        int descriptor = ChildProcess.OpenDescriptor(process);
        DescriptorPair.SetNonBlocking(output);
        byte[] said = new byte[OutputBound];
        int length = 0;
        bool isGivenUp = false;
        int code, signal;
        Libc.PollDescriptor* descriptors = stackalloc Libc.PollDescriptor[2];
        while (!ChildProcess.TryReap(process, wait: isGivenUp, out code, out signal))
        {
            double left = (limit - time.GetElapsedTime(start)).TotalMilliseconds;
            if (left <= 0 || stop.IsCancellationRequested)
            {
                isGivenUp = true;
                ChildProcess.Kill(process);
                continue;
            }

            descriptors[0] = new() { Descriptor = output, Events = Readable };
            descriptors[1] = new() { Descriptor = descriptor, Events = Readable };
            Libc.poll(descriptors, 2, (int)Math.Clamp(left, 1, descriptor >= 0 ? LongestWait : WaitWithoutDescriptor));
            if (descriptors[0].Returned != 0) Read(ref output, said, ref length);
        }
        Read(ref output, said, ref length);
        if (output >= 0) Libc.close(output);
        if (descriptor >= 0) Libc.close(descriptor);
        return new(code, signal, isGivenUp, said[..length]);
    }

    // What comes after the bound is read too, so that the child does not wait for it.
    private static void Read(ref int output, byte[] said, ref int length)
    {
        byte* block = stackalloc byte[1024];
        while (output >= 0)
        {
            nint got = Libc.read(output, block, 1024);
            if (got > 0)
            {
                int kept = (int)Math.Min(got, said.Length - length);
                new ReadOnlySpan<byte>(block, kept).CopyTo(said.AsSpan(length));
                length += kept;
            }
            else if (got == 0 || Errno.Last is not (Errno.Interrupted or Errno.Again))
            {
                Libc.close(output);
                output = -1;
            }
            else if (Errno.Last == Errno.Again) return;
        }
    }
}

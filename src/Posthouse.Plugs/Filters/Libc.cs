using System.Runtime.InteropServices;

namespace Posthouse.Plugs.Filters;

/// <summary>The calls of the C library that let one thread read and write without ever waiting for the wrong one of both.</summary>
internal static unsafe partial class Libc
{
    public const short PollIn = 1, PollOut = 4;
    public const int Interrupted = 4, Again = 11, NotASocket = 88, DoNotWait = 0x40, NoSignal = 0x4000, CloseOnExec = 0x80000;

    [LibraryImport("libc", EntryPoint = "read", SetLastError = true)]
    public static partial nint Read(int descriptor, byte* buffer, nint count);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    public static partial nint Write(int descriptor, byte* buffer, nint count);

    [LibraryImport("libc", EntryPoint = "send", SetLastError = true)]
    public static partial nint Send(int descriptor, byte* buffer, nint count, int flags);

    [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
    public static partial int Poll(PollEntry* entries, nuint count, int milliseconds);

    [LibraryImport("libc", EntryPoint = "eventfd", SetLastError = true)]
    public static partial int EventDescriptor(uint count, int flags);

    [LibraryImport("libc", EntryPoint = "close")]
    public static partial int Close(int descriptor);

    [StructLayout(LayoutKind.Sequential)]
    public struct PollEntry
    {
        public int Descriptor;
        public short Events;
        public short Happened;
    }
}

namespace Posthouse.Server.Native;

/// <summary>Two connected descriptors, close-on-exec.</summary>
internal static unsafe class DescriptorPair
{
    private const int SetFlags = 4;
    private const int GetFlags = 3;
    private const int CopyCloseOnExec = 1030;
    private const int UnixDomain = 1;
    private const int StreamType = 1;

    /// <summary>A pipe; 0 or an error number.</summary>
    internal static int Pipe(out int read, out int write)
    {
        int* pair = stackalloc int[2];
        int result = Libc.pipe2(pair, OpenFlags.CloseOnExec);
        (read, write) = result == 0 ? (pair[0], pair[1]) : (-1, -1);
        return result == 0 ? 0 : Errno.Last;
    }

    /// <summary>Two Unix stream sockets connected to each other; 0 or an error number.</summary>
    internal static int Sockets(out int ours, out int theirs)
    {
        int* pair = stackalloc int[2];
        int result = Libc.socketpair(UnixDomain, StreamType | OpenFlags.CloseOnExec, 0, pair);
        (ours, theirs) = result == 0 ? (pair[0], pair[1]) : (-1, -1);
        return result == 0 ? 0 : Errno.Last;
    }

    /// <summary>Another descriptor of the same open file, close-on-exec; negative when there can be none.</summary>
    internal static int Copy(int descriptor) => Libc.fcntl(descriptor, CopyCloseOnExec, 3);

    /// <summary>Makes reading and writing a descriptor answer <see cref="Errno.Again"/> instead of waiting.</summary>
    internal static void SetNonBlocking(int descriptor) =>
        Libc.fcntl(descriptor, SetFlags, Libc.fcntl(descriptor, GetFlags, 0) | OpenFlags.NonBlocking);
}

using System.Runtime.InteropServices;
using System.Text;

namespace Posthouse.Server.Native;

/// <summary>Starting, killing and waiting for children of this process.</summary>
internal static unsafe class ChildProcess
{
    private const short SetSignalDefaults = 0x04;
    private const short SetSignalMask = 0x08;
    private const short SetSession = 0x80;
    private const int DuplicateCloseOnExec = 1030;
    private const int OpenPidDescriptor = 434;
    private const int NoHang = 1;
    private const int Kill9 = 9;
    private const int Terminate15 = 15;
    private const int ByProcess = 1;
    private const int Exited = 4;
    private const int NoWait = 0x01000000;

    /// <summary>
    /// Starts a program in a session (and so process group) of its own, with default signals; descriptor i of
    /// <paramref name="descriptors"/> becomes its descriptor i, and it inherits no other.
    /// </summary>
    /// <returns>0 or an error number.</returns>
    internal static int Spawn(IReadOnlyList<string> arguments, IReadOnlyList<string> environment, ReadOnlySpan<int> descriptors, out int process)
    {
        byte* actions = stackalloc byte[512];
        byte* attributes = stackalloc byte[1024];
        byte* signals = stackalloc byte[128];
        byte** argumentVector = Strings(arguments);
        byte** environmentVector = Strings(environment);
        Span<int> copies = stackalloc int[descriptors.Length];
        copies.Fill(-1);
        process = 0;
        Libc.posix_spawn_file_actions_init(actions);
        Libc.posix_spawnattr_init(attributes);
        try
        {
            for (int i = 0; i < descriptors.Length; i++)
            {
                // High numbers, so that no move overwrites the source of a later one.
                copies[i] = Libc.fcntl(descriptors[i], DuplicateCloseOnExec, 64);
                if (copies[i] < 0) return Errno.Last;
                Libc.posix_spawn_file_actions_adddup2(actions, copies[i], i);
            }
            if (s_closeFrom != null) s_closeFrom(actions, descriptors.Length);
            Libc.posix_spawnattr_setflags(attributes, SetSignalDefaults | SetSignalMask | SetSession);
            Libc.sigfillset(signals);
            Libc.posix_spawnattr_setsigdefault(attributes, signals);
            Libc.sigemptyset(signals);
            Libc.posix_spawnattr_setsigmask(attributes, signals);
            int child;
            int error;
            using (OwnChildren.Starting())
            {
                error = Libc.posix_spawn(&child, argumentVector[0], actions, attributes, argumentVector, environmentVector);
                if (error == 0) OwnChildren.Add(child);
            }
            process = child;
            return error;
        }
        finally
        {
            foreach (int copy in copies)
                if (copy >= 0) Libc.close(copy);
            Libc.posix_spawn_file_actions_destroy(actions);
            Libc.posix_spawnattr_destroy(attributes);
            Free(argumentVector);
            Free(environmentVector);
        }
    }

    /// <summary>A descriptor that becomes readable when the child ends; negative where the kernel has none.</summary>
    internal static int OpenDescriptor(int process) => (int)Libc.syscall(OpenPidDescriptor, process, 0);

    /// <summary>Kills a child and all of its process group.</summary>
    internal static void Kill(int process)
    {
        Libc.kill(-process, Kill9);
        Libc.kill(process, Kill9);
    }

    /// <summary>Asks a child and all of its process group to end.</summary>
    internal static void Terminate(int process)
    {
        if (Libc.kill(-process, Terminate15) != 0) Libc.kill(process, Terminate15);
    }

    /// <summary>Whether a child has ended (then it is reaped), with its exit code or the signal that killed it.</summary>
    internal static bool TryReap(int process, bool wait, out int code, out int signal)
    {
        int status = 0, result;
        do result = Libc.waitpid(process, &status, wait ? 0 : NoHang);
        while (result < 0 && Errno.Last == Errno.Interrupted);
        if (result > 0) OwnChildren.Remove(process);
        signal = status & 0x7f;
        code = signal == 0 ? (status >> 8) & 0xff : 0;
        return result != 0;
    }

    /// <summary>Waits until a child has ended; it stays to be reaped.</summary>
    internal static void WaitUntilEnded(int process)
    {
        byte* information = stackalloc byte[128];
        while (Libc.waitid(ByProcess, process, information, Exited | NoWait) != 0 && Errno.Last == Errno.Interrupted) ;
    }

    /// <summary>An array of C strings ended by null.</summary>
    internal static byte** Strings(IReadOnlyList<string> strings)
    {
        byte** vector = (byte**)NativeMemory.AllocZeroed((nuint)(strings.Count + 1), (nuint)sizeof(byte*));
        for (int i = 0; i < strings.Count; i++)
        {
            int length = Encoding.UTF8.GetByteCount(strings[i]);
            vector[i] = (byte*)NativeMemory.AllocZeroed((nuint)length + 1);
            Encoding.UTF8.GetBytes(strings[i], new Span<byte>(vector[i], length));
        }
        return vector;
    }

    private static void Free(byte** vector)
    {
        for (byte** at = vector; *at != null; at++) NativeMemory.Free(*at);
        NativeMemory.Free(vector);
    }

    private static readonly delegate* unmanaged<byte*, int, int> s_closeFrom = LoadCloseFrom();

    // Where the C library lacks it (before glibc 2.34), close-on-exec, which we set on everything, has to do.
    private static delegate* unmanaged<byte*, int, int> LoadCloseFrom() =>
        NativeLibrary.TryGetExport(NativeLibrary.GetMainProgramHandle(), "posix_spawn_file_actions_addclosefrom_np", out nint function)
            ? (delegate* unmanaged<byte*, int, int>)function : null;
}

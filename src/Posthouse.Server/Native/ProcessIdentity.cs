namespace Posthouse.Server.Native;

/// <summary>Becoming another user for good, and becoming another program. For processes just started: nothing here can be undone.</summary>
internal static unsafe class ProcessIdentity
{
    private const int SetNoNewPrivileges = 38;
    private const int SetDumpable = 4;
    private const uint CapabilityVersion = 0x20080522;
    private const int CloseRangeOnExec = 4;
    private const int OpenFiles = 7;
    private const int CoreSize = 4;
    private const int ProcessSignals = 64;
    private const int SetMask = 2;

    /// <summary>Takes a user's identity in all threads and gives up the way back; null, or which step failed.</summary>
    internal static string? Become(uint uid, uint gid, ReadOnlySpan<uint> groups)
    {
        if (uid == 0) return "root is refused";
        fixed (uint* list = groups)
            if (Libc.setgroups((nuint)groups.Length, list) != 0) return Failed("setgroups");
        if (Libc.setresgid(gid, gid, gid) != 0) return Failed("setresgid");
        if (Libc.setresuid(uid, uid, uid) != 0) return Failed("setresuid");
        return Libc.setuid(0) == 0 ? "root could be regained" : null;
    }

    /// <summary>Makes a directory the root of all that this process can name; null, or which step failed.</summary>
    internal static string? EnterRoot(string path) => Libc.chroot(path) != 0 ? Failed("chroot") : Libc.chdir("/") != 0 ? Failed("chdir") : null;

    /// <summary>No program started from this thread gains privileges (set-id bits have no effect).</summary>
    internal static string? ForbidNewPrivileges() => Libc.prctl(SetNoNewPrivileges, 1, 0, 0, 0) == 0 ? null : Failed("prctl");

    /// <summary>This process and its descendants leave no core file, which would hold mail for whoever may read it.</summary>
    internal static void ForbidCores()
    {
        Libc.ResourceLimit none = default;
        Libc.setrlimit(CoreSize, &none);
    }

    /// <summary>Root without root's powers: what it may do is what the permissions of files let their owner do. Null, or which step failed.</summary>
    internal static string? GiveUpCapabilities()
    {
        uint* header = stackalloc uint[2] { CapabilityVersion, 0 };
        uint* none = stackalloc uint[6];
        new Span<uint>(none, 6).Clear();
        return Libc.capset(header, none) == 0 ? null : Failed("capset");
    }

    /// <summary>Nobody but root can look into this process's memory or trace it, and it leaves no core file: for those that hold secrets or talk to strangers.</summary>
    internal static void ForbidInspection() => Libc.prctl(SetDumpable, 0, 0, 0, 0);

    /// <summary>Ends this process at once, as if it had been killed: nothing is flushed or awaited.</summary>
    internal static void EndAtOnce(int code) => Libc._exit(code);

    /// <summary>New files are their owner's only.</summary>
    internal static void MaskFiles() => Libc.umask(0x3F /* 077 */);

    /// <summary>Sets the working directory, or <c>/</c> if it cannot be entered.</summary>
    internal static string? EnterDirectory(string path) => Libc.chdir(path) == 0 || Libc.chdir("/") == 0 ? null : Failed("chdir");

    /// <summary>At most 1024 open files: a program that uses select(2) must not be handed more.</summary>
    internal static void LimitFiles()
    {
        Libc.ResourceLimit limit = default;
        if (Libc.getrlimit(OpenFiles, &limit) != 0) return;
        limit.Soft = Math.Min(limit.Hard, 1024);
        Libc.setrlimit(OpenFiles, &limit);
    }

    /// <summary>
    /// Becomes the program of <paramref name="arguments"/>, looked for in <paramref name="path"/> if its name has no
    /// slash. <paramref name="control"/> is closed when it has become it, and so is all behind it but the <paramref name="kept"/> descriptors that follow;
    /// signals are as a shell leaves them. With <paramref name="again"/> the program is this executable, wherever it lies. Returns only on failure, with the step that failed.
    /// </summary>
    internal static string Execute(IReadOnlyList<string> arguments, IReadOnlyList<string> environment, string path, int control, int kept, bool again = false)
    {
        if (Libc.close_range((uint)control, (uint)control, CloseRangeOnExec) != 0
            || Libc.close_range((uint)(control + kept + 1), uint.MaxValue, CloseRangeOnExec) != 0)
            return Failed("close_range");
        for (int signal = 1; signal <= ProcessSignals; signal++)
            if (signal is not (9 or 19 or 32 or 33)) Libc.signal(signal, 0);
        byte* mask = stackalloc byte[128];
        Libc.sigemptyset(mask);
        Libc.sigprocmask(SetMask, mask, null);
        byte** argumentVector = ChildProcess.Strings(arguments);
        byte** environmentVector = ChildProcess.Strings(environment);
        int error = Errno.NoEntry;
        string program = again ? "/proc/self/exe" : arguments[0];
        string[] places = program.Contains('/') ? [""] : path.Split(':');
        foreach (string place in places)
        {
            fixed (byte* file = PathBytes.Of(place.Length == 0 ? program : $"{place}/{program}"))
                Libc.execve(file, argumentVector, environmentVector);
            if (Errno.Last is not (Errno.NoEntry or Errno.NotDirectory)) error = Errno.Last;
        }
        return $"execve: {Errno.Text(error)}";
    }

    private static string Failed(string step) => $"{step}: {Errno.Text(Errno.Last)}";
}

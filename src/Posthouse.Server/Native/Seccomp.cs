using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Posthouse.Server.Native;

/// <summary>
/// seccomp(2): all threads of this process give up, for good, the system calls that a <see cref="SeccompProfile"/> names.
/// A denied call fails with an error of errno(3), EPERM as a rule, and the process goes on. Opened files, mapped memory
/// and running threads are not touched.
/// </summary>
public static unsafe class Seccomp
{
    private const nint SetModeFilter = 1;
    private const nint AllThreads = 1;
    private const uint ThreadFlag = 0x00010000;
    private const uint NamespaceFlags = 0x7E020000;
    private const uint OpenForChange = 0x243; // O_WRONLY | O_RDWR | O_CREAT | O_TRUNC
    private const uint Unix = 1, Internet = 2, Internet6 = 10, Netlink = 16;
    private const uint Stream = 1, Datagram = 2, Raw = 3;
    private const uint Tcp = 6, Udp = 17;

    /// <summary>Installs the filter.</summary>
    /// <param name="profile">What to take away.</param>
    /// <param name="why">Why it was not installed, when it was not.</param>
    /// <returns>Whether it is in force, in all threads.</returns>
    public static bool Install(SeccompProfile profile, out string? why)
    {
        Architecture architecture = RuntimeInformation.ProcessArchitecture;
        if (architecture is not (Architecture.X64 or Architecture.Arm64))
        {
            why = $"no filter for {architecture}";
            return false;
        }
        if ((why = ProcessIdentity.ForbidNewPrivileges()) is not null) return false;
        SeccompFilter.Instruction[] program = Build(profile, architecture == Architecture.Arm64, (uint)Environment.ProcessId, !RuntimeFeature.IsDynamicCodeSupported);
        fixed (SeccompFilter.Instruction* first = program)
        {
            FilterProgram filter = new() { Length = (ushort)program.Length, Instructions = first };
            nint result = Libc.syscall(architecture == Architecture.X64 ? 317 : 277, SetModeFilter, AllThreads, (nint)(&filter), 0);
            why = result == 0 ? null : result > 0 ? "a thread has a filter of its own" : $"seccomp: {Errno.Text(Errno.Last)}";
        }
        return why is null;
    }

    /// <summary>The program for a process of that number; <paramref name="isNative"/> when it loads no code any more.</summary>
    internal static SeccompFilter.Instruction[] Build(SeccompProfile profile, bool isArm, uint process, bool isNative)
    {
        SeccompFilter filter = new(isArm);
        // Its flags lie in memory, which a filter cannot read: told that there is none, the C library takes clone.
        filter.Deny(SystemCallNumber.MakeTask3, Errno.NotImplemented);
        filter.AllowOnly(SystemCallNumber.MakeTask, 0, [ThreadFlag], ThreadFlag | NamespaceFlags);
        if (profile == SeccompProfile.Keys) AddKeys(filter, isNative);
        filter.AllowOnly(SystemCallNumber.Socket, 0, [Unix, Internet, Internet6, Netlink], error: Errno.NoAddressFamily);
        filter.AllowSocket(SystemCallNumber.Socket, Internet, [Stream, Datagram], [0, Tcp, Udp]);
        filter.AllowSocket(SystemCallNumber.Socket, Internet6, [Stream, Datagram], [0, Tcp, Udp]);
        filter.AllowSocket(SystemCallNumber.Socket, Netlink, [Datagram, Raw], [0]);
        filter.AllowOnly(SystemCallNumber.Kill, 0, [process]);
        filter.AllowOnly(SystemCallNumber.ThreadKill, 0, [process]);
        filter.AllowOnly(SystemCallNumber.QueueSignal, 0, [process]);
        filter.AllowOnly(SystemCallNumber.QueueThreadSignal, 0, [process]);
        filter.AllowOnly(SystemCallNumber.ResourceLimit, 0, [0, process]);
        filter.AllowOnly(SystemCallNumber.Personality, 0, [uint.MaxValue]);
        const uint FakeInput = 0x5412, ConsoleControl = 0x541C;
        filter.DenyIf(SystemCallNumber.DeviceControl, 1, [FakeInput, ConsoleControl]);
        foreach (SystemCallNumber call in SystemCallNumber.Never) filter.Deny(call);
        return filter.ToArray();
    }

    private static void AddKeys(SeccompFilter filter, bool isNative)
    {
        foreach (SystemCallNumber call in SystemCallNumber.NeverByKeys) filter.Deny(call);
        filter.Deny(SystemCallNumber.OpenAt2, Errno.NotImplemented);
        if (isNative)
        {
            filter.Deny(SystemCallNumber.Open, Errno.Access);
            filter.Deny(SystemCallNumber.OpenAt, Errno.Access);
            return;
        }
        // Managed code is loaded when it is first used.
        filter.AllowOnly(SystemCallNumber.Open, 1, [0], OpenForChange, Errno.Access);
        filter.AllowOnly(SystemCallNumber.OpenAt, 2, [0], OpenForChange, Errno.Access);
    }

    // struct sock_fprog.
    [StructLayout(LayoutKind.Sequential)]
    private struct FilterProgram
    {
        internal ushort Length;
        internal SeccompFilter.Instruction* Instructions;
    }
}

using System.Runtime.InteropServices;

namespace Posthouse.Server.Native;

/// <summary>
/// Writes the small program (classic BPF, seccomp(2)) that the kernel runs before each system call. Each rule is a few
/// instructions that end in an answer or go on; what no rule answers is allowed.
/// </summary>
internal sealed class SeccompFilter
{
    internal const uint Allow = 0x7fff0000;
    internal const uint KillProcess = 0x80000000;

    private const ushort LoadWord = 0x20;
    private const ushort JumpIfEqual = 0x15;
    private const ushort JumpIfAtLeast = 0x35;
    private const ushort And = 0x54;
    private const ushort Return = 0x06;
    private const uint ErrorAnswer = 0x00050000;
    private const uint NumberOffset = 0;
    private const uint ArchitectureOffset = 4;
    private const uint ArgumentsOffset = 16;

    // Other calls of an x86-64 kernel than those numbered in its table (the x32 interface) begin here.
    private const uint FirstForeignNumber = 0x40000000;

    private readonly List<Instruction> _program = [];
    private readonly bool _isArm;

    /// <summary>Begins a program that answers only calls of one architecture; a call by another's table ends the process.</summary>
    internal SeccompFilter(bool isArm)
    {
        _isArm = isArm;
        const uint Intel64 = 0xC000003E, Arm64 = 0xC00000B7;
        Add(LoadWord, ArchitectureOffset);
        Add(JumpIfEqual, isArm ? Arm64 : Intel64, whenTrue: 1);
        Add(Return, KillProcess);
        Add(LoadWord, NumberOffset);
        if (isArm) return;
        Add(JumpIfAtLeast, FirstForeignNumber, whenFalse: 1);
        Add(Return, ErrorAnswer | Errno.NotImplemented);
    }

    /// <summary>The finished program.</summary>
    internal Instruction[] ToArray()
    {
        Add(Return, Allow);
        return [.. _program];
    }

    /// <summary>A call that always fails.</summary>
    internal void Deny(SystemCallNumber call, int error = Errno.Permission)
    {
        if (Number(call) is not { } number) return;
        Add(JumpIfEqual, number, whenFalse: 1);
        Add(Return, ErrorAnswer | (uint)error);
    }

    /// <summary>A call that fails unless an argument, masked, is one of some values (low 32 bits).</summary>
    internal void AllowOnly(SystemCallNumber call, int argument, ReadOnlySpan<uint> values, uint mask = uint.MaxValue, int error = Errno.Permission) =>
        Check(call, argument, values, mask, error, denyMatch: false);

    /// <summary>A call that fails when an argument, masked, is one of some values (low 32 bits).</summary>
    internal void DenyIf(SystemCallNumber call, int argument, ReadOnlySpan<uint> values, uint mask = uint.MaxValue, int error = Errno.Permission) =>
        Check(call, argument, values, mask, error, denyMatch: true);

    /// <summary>socket(2) of a family: its type (masked) and protocol must be of the values given, or it fails.</summary>
    internal void AllowSocket(SystemCallNumber call, uint family, ReadOnlySpan<uint> types, ReadOnlySpan<uint> protocols)
    {
        if (Number(call) is not { } number) return;
        const uint TypeMask = 0xf;
        int skip = types.Length + protocols.Length + 8;
        Add(JumpIfEqual, number, whenFalse: (byte)skip);
        Add(LoadWord, ArgumentsOffset);
        Add(JumpIfEqual, family, whenFalse: (byte)(skip - 3));
        Add(LoadWord, ArgumentsOffset + 8);
        Add(And, TypeMask);
        for (int i = 0; i < types.Length; i++) Add(JumpIfEqual, types[i], whenTrue: (byte)(types.Length - i));
        Add(Return, ErrorAnswer | Errno.NoAddressFamily);
        Add(LoadWord, ArgumentsOffset + 16);
        for (int i = 0; i < protocols.Length; i++) Add(JumpIfEqual, protocols[i], whenTrue: (byte)(protocols.Length - i));
        Add(Return, ErrorAnswer | Errno.NoAddressFamily);
        Add(LoadWord, NumberOffset);
    }

    private void Check(SystemCallNumber call, int argument, ReadOnlySpan<uint> values, uint mask, int error, bool denyMatch)
    {
        if (Number(call) is not { } number) return;
        int masked = mask == uint.MaxValue ? 0 : 1;
        Add(JumpIfEqual, number, whenFalse: (byte)(values.Length + masked + 3));
        Add(LoadWord, ArgumentsOffset + (uint)argument * 8);
        if (masked == 1) Add(And, mask);
        // A match jumps over the rest: to the answer, or over it.
        for (int i = 0; i < values.Length; i++)
        {
            byte left = (byte)(values.Length - 1 - i);
            if (denyMatch) Add(JumpIfEqual, values[i], whenTrue: left, whenFalse: (byte)(left == 0 ? 1 : 0));
            else Add(JumpIfEqual, values[i], whenTrue: (byte)(left + 1));
        }
        Add(Return, ErrorAnswer | (uint)error);
        Add(LoadWord, NumberOffset);
    }

    private uint? Number(SystemCallNumber call) => (_isArm ? call.Arm : call.Intel) is >= 0 and int number ? (uint)number : null;

    private void Add(ushort code, uint value, byte whenTrue = 0, byte whenFalse = 0) => _program.Add(new() { Code = code, WhenTrue = whenTrue, WhenFalse = whenFalse, Value = value });

    /// <summary>struct sock_filter.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct Instruction
    {
        internal ushort Code;
        internal byte WhenTrue;
        internal byte WhenFalse;
        internal uint Value;
    }
}

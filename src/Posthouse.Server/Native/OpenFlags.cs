using System.Runtime.InteropServices;

namespace Posthouse.Server.Native;

/// <summary>The flags of open(2), whose numbers differ between architectures.</summary>
public static class OpenFlags
{
    private static readonly bool s_arm = RuntimeInformation.ProcessArchitecture is Architecture.Arm64 or Architecture.Arm;

    /// <summary>For reading.</summary>
    public const int ReadOnly = 0;

    /// <summary>For writing.</summary>
    public const int WriteOnly = 1;

    /// <summary>For both.</summary>
    public const int ReadWrite = 2;

    /// <summary>Made if it is not there.</summary>
    public const int Create = 0x40;

    /// <summary>With <see cref="Create"/>: an error if it is there.</summary>
    public const int Exclusive = 0x80;

    /// <summary>Every write goes to the end.</summary>
    public const int Append = 0x400;

    /// <summary>Opening a FIFO does not wait.</summary>
    public const int NonBlocking = 0x800;

    /// <summary>Not inherited by programs. <see cref="FileDescriptor"/> always adds it.</summary>
    public const int CloseOnExec = 0x80000;

    /// <summary>An error unless it is a directory.</summary>
    public static int Directory => s_arm ? 0x4000 : 0x10000;

    /// <summary>An error if the last component is a symbolic link.</summary>
    public static int NoFollow => s_arm ? 0x8000 : 0x20000;

    /// <summary>Only a handle on the path: nothing can be read or written by it.</summary>
    public const int PathOnly = 0x200000;
}

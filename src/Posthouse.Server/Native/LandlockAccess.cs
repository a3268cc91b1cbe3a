namespace Posthouse.Server.Native;

/// <summary>What a <see cref="Landlock"/> rule lets a process do with files. The numbers are the kernel's (landlock(7)).</summary>
[Flags]
public enum LandlockAccess : ulong
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>Start a program; libraries need only <see cref="ReadFile"/>.</summary>
    Execute = 1 << 0,

    /// <summary>Open a file for writing.</summary>
    WriteFile = 1 << 1,

    /// <summary>Open a file for reading.</summary>
    ReadFile = 1 << 2,

    /// <summary>List a directory.</summary>
    ReadDirectory = 1 << 3,

    /// <summary>Remove or rename an empty directory.</summary>
    RemoveDirectory = 1 << 4,

    /// <summary>Remove or rename a file.</summary>
    RemoveFile = 1 << 5,

    /// <summary>Make a character device.</summary>
    MakeCharacterDevice = 1 << 6,

    /// <summary>Make or rename a directory.</summary>
    MakeDirectory = 1 << 7,

    /// <summary>Make, rename or link a regular file.</summary>
    MakeFile = 1 << 8,

    /// <summary>Make a Unix socket.</summary>
    MakeSocket = 1 << 9,

    /// <summary>Make a named pipe.</summary>
    MakePipe = 1 << 10,

    /// <summary>Make a block device.</summary>
    MakeBlockDevice = 1 << 11,

    /// <summary>Make a symbolic link.</summary>
    MakeSymbolicLink = 1 << 12,

    /// <summary>Link or rename from one directory into another (Linux 5.19; before, that is always denied).</summary>
    Refer = 1 << 13,

    /// <summary>Truncate a file (Linux 6.2; before, that is never denied).</summary>
    Truncate = 1 << 14,

    /// <summary>Use ioctl(2) on a device (Linux 6.10; before, that is never denied).</summary>
    DeviceControl = 1 << 15,

    /// <summary>Read files and list directories.</summary>
    Read = ReadFile | ReadDirectory,

    /// <summary>Read and start programs.</summary>
    ReadAndExecute = Read | Execute,

    /// <summary>Read a file and write to it, but make none.</summary>
    ReadWriteFile = ReadFile | WriteFile | Truncate,

    /// <summary>Everything a store of files needs.</summary>
    ReadWrite = Read | WriteFile | Truncate | RemoveDirectory | RemoveFile | MakeDirectory | MakeFile | Refer,
}

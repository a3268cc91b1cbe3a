namespace Posthouse.Server.Native;

/// <summary>What stat(2) says of a file: type and permissions, owner, links, identity, size in bytes, time of change in seconds since 1970.</summary>
public readonly record struct FileStatus(uint Mode, uint Uid, uint Gid, uint Links, ulong Inode, ulong Device, long Size, long Modified)
{
    private const uint TypeMask = 0xF000;

    /// <summary>What is to be added to <see cref="Modified"/>, in nanoseconds.</summary>
    public uint ModifiedNanoseconds { get; init; }

    /// <summary>Whether it is a regular file.</summary>
    public bool IsRegular => (Mode & TypeMask) == 0x8000;

    /// <summary>Whether it is a directory.</summary>
    public bool IsDirectory => (Mode & TypeMask) == 0x4000;

    /// <summary>Whether it is a symbolic link.</summary>
    public bool IsSymbolicLink => (Mode & TypeMask) == 0xA000;

    /// <summary>Whether it is a socket.</summary>
    public bool IsSocket => (Mode & TypeMask) == 0xC000;

    /// <summary>Whether anybody but its owner may write it.</summary>
    public bool IsWritableByOthers => (Mode & 0x12) != 0;

    /// <summary>Whether the sticky bit is set.</summary>
    public bool IsSticky => (Mode & 0x200) != 0;

    /// <summary>The permission bits, set-id and sticky included.</summary>
    public uint Permissions => Mode & 0xFFF;
}

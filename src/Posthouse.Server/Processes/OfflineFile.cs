using Posthouse.Server.Native;

namespace Posthouse.Server.Processes;

/// <summary>A file of the offline directory that looks like mail: its name, whose it is, and what it was when it was listed.</summary>
internal readonly record struct OfflineFile(string Name, FileStatus Status)
{
    /// <summary>Whether it is the same file, unchanged in what matters, as when it was listed.</summary>
    internal bool IsStill(FileStatus now) => now.Inode == Status.Inode && now.Device == Status.Device && now.Uid == Status.Uid;
}

using Microsoft.Win32.SafeHandles;
using Posthouse.Server.Model;
using Posthouse.Server.Native;

namespace Posthouse.Server.Processes;

/// <summary>
/// The directory into which <c>sendmail</c> puts mail while no server answers. When the server was started as root,
/// everybody may put files there and remove or rename their own, and nobody may list it or touch another's (mode 1733);
/// otherwise it is the server's user's alone. Everything in it may have been made by anybody, in any shape: nothing is
/// followed, and nothing is opened that is not a plain file.
/// </summary>
public sealed class OfflineDirectory : IDisposable
{
    /// <summary>The end of the name of a file that is still being written.</summary>
    public const string NewSuffix = ".new";

    /// <summary>The end of the name of a file that was set aside.</summary>
    public const string BadSuffix = ".bad";

    private const uint ForEverybody = 0x3DB; // 1733
    private const uint ForOwner = 0x1C0; // 0700
    private const int NameLength = 32;

    private static readonly TimeSpan s_keepLitter = TimeSpan.FromDays(7);

    private readonly SafeFileHandle _directory;

    private OfflineDirectory(SafeFileHandle directory) => _directory = directory;

    /// <summary>A name for a new file that nobody can guess.</summary>
    public static string DrawName() => Convert.ToHexStringLower(System.Security.Cryptography.RandomNumberGenerator.GetBytes(NameLength / 2));

    /// <summary>Makes the directory if it is not there, sets its permissions, and opens it; null, with the reason, if it cannot be trusted.</summary>
    public static OfflineDirectory? Open(StateDirectory state, out string? why)
    {
        uint mode = SystemAccounts.IsRoot ? ForEverybody : ForOwner;
        SafeFileHandle? opened = null;
        int error = FileDescriptor.MakeDirectory(state.Offline, ForOwner);
        if (error is 0 or Errno.Exists) error = FileDescriptor.Open(state.Offline, OpenFlags.ReadOnly | OpenFlags.Directory | OpenFlags.NoFollow, 0, out opened);
        if (error != 0 || (error = FileDescriptor.Status(opened!, out FileStatus status)) != 0)
        {
            opened?.Dispose();
            why = $"{state.Offline}: {Errno.Text(error)}";
            return null;
        }
        why = status.Uid != SystemAccounts.EffectiveUser ? $"{state.Offline} belongs to user {status.Uid}"
            : status.Permissions != mode && (error = FileDescriptor.ChangeMode(opened!, mode)) != 0 ? $"{state.Offline}: {Errno.Text(error)}" : null;
        if (why is null) return new(opened!);
        opened!.Dispose();
        return null;
    }

    /// <summary>
    /// The mail that waits, by owner: of each at most <paramref name="most"/> files and <paramref name="mostBytes"/> bytes, so that no user's
    /// flood costs the others more than the time to pass it over. What is no mail is passed over too, and removed after a week.
    /// </summary>
    internal Dictionary<uint, List<OfflineFile>> List(int most, long mostBytes, DateTimeOffset now)
    {
        Dictionary<uint, List<OfflineFile>> owners = [];
        Dictionary<uint, long> sizes = [];
        foreach (string path in Directory.EnumerateFileSystemEntries($"/proc/self/fd/{_directory.DangerousGetHandle()}/"))
        {
            string name = Path.GetFileName(path);
            if (FileDescriptor.StatusAt(_directory, name, out FileStatus status) != 0) continue;
            if (!IsMail(name))
            {
                if (!status.IsDirectory && now.ToUnixTimeSeconds() - status.Modified > s_keepLitter.TotalSeconds) FileDescriptor.RemoveAt(_directory, name);
                continue;
            }
            if (!owners.TryGetValue(status.Uid, out List<OfflineFile>? files)) owners[status.Uid] = files = [];
            // One that is too large by itself is for whoever opens it to judge.
            long size = sizes.GetValueOrDefault(status.Uid) + (status.Size <= mostBytes ? Math.Max(0, status.Size) : 0);
            if (files.Count >= most || (files.Count > 0 && size > mostBytes)) continue;
            sizes[status.Uid] = size;
            files.Add(new(name, status));
        }
        return owners;
    }

    /// <summary>
    /// Opens a file for reading if it is what mail must be. Null otherwise, with what is wrong with it in <paramref name="why"/>; <paramref name="isBad"/> when that is
    /// its own fault, so that it will never be mail.
    /// </summary>
    internal SafeFileHandle? OpenMail(OfflineFile file, long mostBytes, out bool isBad, out string? why)
    {
        // What is no plain file is not opened: for a device that alone may do something.
        why = Wrong(file.Status, mostBytes);
        isBad = why is not null;
        if (isBad) return null;
        int error = FileDescriptor.OpenAt(_directory, file.Name, OpenFlags.ReadOnly | OpenFlags.NoFollow | OpenFlags.NonBlocking, 0, out SafeFileHandle? opened);
        if (error == 0 && (error = FileDescriptor.Status(opened!, out FileStatus status)) == 0)
        {
            why = file.IsStill(status) ? Wrong(status, mostBytes) : null;
            isBad = why is not null;
            if (!isBad && file.IsStill(status)) return opened;
            why ??= "it was exchanged while it was looked at";
        }
        why ??= Errno.Text(error);
        opened?.Dispose();
        return null;
    }

    /// <summary>Removes a file that was submitted, if it still is that file.</summary>
    internal void Remove(OfflineFile file)
    {
        if (FileDescriptor.StatusAt(_directory, file.Name, out FileStatus now) == 0 && file.IsStill(now)) FileDescriptor.RemoveAt(_directory, file.Name);
    }

    /// <summary>Renames a file so that it is no mail any more.</summary>
    internal void SetAside(OfflineFile file) => FileDescriptor.RenameAt(_directory, file.Name, file.Name + BadSuffix);

    /// <inheritdoc/>
    public void Dispose() => _directory.Dispose();

    private static bool IsMail(string name) => name.Length == NameLength && !name.AsSpan().ContainsAnyExcept("0123456789abcdef");

    private static string? Wrong(FileStatus status, long mostBytes) =>
        !status.IsRegular ? "it is no regular file"
        : status.Links != 1 ? "it has several links"
        : status.IsWritableByOthers ? "others may write to it"
        : status.Size > mostBytes ? "it is too large"
        : null;
}

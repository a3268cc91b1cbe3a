using Posthouse.Server.Model;
using Posthouse.Server.Native;

namespace Posthouse.Server.Delivering.Local;

/// <summary>
/// One message on its way into a maildir: written to tmp under a unique name, synced, moved to new, and the directory
/// synced, so that a reader sees all of it or nothing and a power cut after Delivered loses nothing. The C library is
/// called directly: at some thousand deliveries a second, streams and path objects would cost more than the kernel does.
/// </summary>
internal sealed unsafe class MaildirFile : IMessageFile
{
    private static int s_count;

    private readonly string _folder;
    private readonly byte[] _temporary;
    private readonly byte[] _final;
    private int _descriptor;

    private MaildirFile(string folder, string name)
    {
        _folder = folder;
        _temporary = PathBytes.Of($"{folder}/tmp/{name}");
        _final = PathBytes.Of($"{folder}/new/{name}");
    }

    /// <summary>Opens a file in tmp of the maildir, or of the folder of it that the target means; makes what is missing.</summary>
    internal static MaildirFile? Open(FileTarget.Maildir target, FileContext context, out DeliveryResult? failure)
    {
        string folder = target.Path;
        if (target.Junk) folder += "/.Junk";
        else if (target.Extension is { } extension && IsFolderName(extension)
            && FileDescriptor.Status($"{target.Path}/.{extension}", out FileStatus status) == 0 && status.IsDirectory)
            folder = $"{target.Path}/.{extension}";

        MaildirFile file = new(folder, UniqueName(context));
        int error = file.Create();
        if (error == Errno.NoEntry)
        {
            if (Directories.Make(folder, ["tmp", "new", "cur"], out string place) is not 0 and int made)
            {
                failure = FileFailure.Of(made, "make directory", place);
                return null;
            }
            error = file.Create();
        }
        failure = error == 0 ? null : FileFailure.Of(error, "create a file in", folder + "/tmp");
        return error == 0 ? file : null;
    }

    /// <summary>Whether a sub-address can name a folder: no path of its own, no empty level of the dotted hierarchy, nothing that does not print.</summary>
    internal static bool IsFolderName(string extension) =>
        extension.Length is > 0 and <= 200 && extension[0] != '.' && extension[^1] != '.'
        && !extension.Contains('/') && !extension.Contains("..") && !extension.Any(char.IsControl);

    /// <inheritdoc/>
    public DeliveryResult? Append(ReadOnlySpan<byte> block)
    {
        int error = BlockingDescriptor.WriteAll(_descriptor, block);
        return error == 0 ? null : FileFailure.Of(error, "write to", _folder + "/tmp");
    }

    /// <inheritdoc/>
    public DeliveryResult Finish()
    {
        int error = BlockingDescriptor.Sync(_descriptor);
        if (error != 0) return FileFailure.Of(error, "sync a file in", _folder + "/tmp");
        Close();
        fixed (byte* from = _temporary, to = _final)
        {
            if (Libc.rename(from, to) != 0)
            {
                error = Errno.Last;
                Libc.unlink(from);
                return FileFailure.Of(error, "move a file to", _folder + "/new");
            }
        }
        error = SharedDirectorySync.Sync(_folder + "/new");
        return error == 0 ? DeliveryResult.Delivered() : FileFailure.Of(error, "sync", _folder + "/new");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_descriptor <= 0) return;
        Close();
        fixed (byte* from = _temporary) Libc.unlink(from);
    }

    private int Create()
    {
        fixed (byte* path = _temporary)
            _descriptor = Libc.open(path, OpenFlags.WriteOnly | OpenFlags.Create | OpenFlags.Exclusive | OpenFlags.CloseOnExec, 0x180 /* 0600 */);
        return _descriptor < 0 ? Errno.Last : 0;
    }

    private void Close()
    {
        Libc.close(_descriptor);
        _descriptor = 0;
    }

    // Time, process and count make it unique on this machine; the name of the machine makes it unique on shared storage.
    private static string UniqueName(FileContext context)
    {
        DateTimeOffset now = context.Time.GetUtcNow();
        long seconds = now.ToUnixTimeSeconds();
        long micro = now.UtcTicks / TimeSpan.TicksPerMicrosecond % 1_000_000;
        return $"{seconds}.M{micro}P{Environment.ProcessId}Q{(uint)Interlocked.Increment(ref s_count)}.{context.HostName.Replace("/", "\\057").Replace(":", "\\072")}";
    }
}
